//! A server of OpenBao that gives a snapshot, and swallows others: after one no marker is left but that of the snapshot, and
//! the leader is active anew.

use super::serve::{Authority, serve};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// Bytes read from the file at once.
const PIECE: usize = 256 * 1024;
/// Longer than a dry run is.
const DRY_RUN: u64 = 64 * 1024;
const SAME_KEYS: &str = "failed to read snapshot file: failed checking integrity of snapshot: hash check failed for \"state.bin\"";

/// The id of its cluster, before and after.
pub(crate) const CLUSTER: &str = "c";
/// The marker of whoever has checked it.
pub(crate) const OF_CHECK: &str = "s.checked";
/// The marker that the data of its snapshot have.
pub(crate) const IN_SNAPSHOT: &str = "s.snapshot";

/// The server.
#[derive(Clone)]
pub(crate) struct Bao {
    pub(crate) address: String,
    object: PathBuf,
    state: Arc<Mutex<Restored>>,
    /// Bytes of a snapshot after which it gives nothing more; 0: it gives all of it.
    holds_after: Arc<AtomicU64>,
}

struct Restored {
    active: Timestamp,
    posts: Vec<Post>,
    /// Markers that live, and how many were made.
    markers: BTreeSet<String>,
    made: usize,
}

/// A snapshot that came whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post {
    pub(crate) bytes: u64,
    /// From its head to its last byte.
    pub(crate) took: Duration,
}

impl Bao {
    /// A server whose snapshot is this file.
    pub(crate) async fn start(object: &Path, tls: Option<&Authority>) -> Self {
        let active = Timestamp::now() - SignedDuration::from_hours(1);
        let (posts, markers) = (Vec::new(), BTreeSet::from([OF_CHECK.to_owned()]));
        let state = Arc::new(Mutex::new(Restored { active, posts, markers, made: 0 }));
        let (object, holds_after) = (object.to_owned(), Arc::default());
        let mut bao = Self { address: String::new(), object, state, holds_after };
        let router = Router::new().fallback(handle).with_state(bao.clone());
        let scheme = if tls.is_some() { "https" } else { "http" };
        bao.address = format!("{scheme}://127.0.0.1:{}", serve(router, tls).await);
        bao
    }

    /// From now on a snapshot stops after this many bytes; 0: not at all.
    pub(crate) fn hold_after(&self, bytes: u64) {
        self.holds_after.store(bytes, Ordering::SeqCst);
    }

    /// Its snapshot.
    pub(crate) fn object(&self) -> &Path {
        &self.object
    }

    async fn give(&self) -> Response {
        let most = self.holds_after.load(Ordering::SeqCst);
        let file = File::open(&self.object).await.unwrap();
        if most == 0 {
            return Body::from_stream(ReaderStream::with_capacity(file, PIECE)).into_response();
        }
        let first = ReaderStream::with_capacity(file.take(most), PIECE);
        Body::from_stream(first.chain(stream::pending())).into_response()
    }

    /// The snapshots that came so far.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.state.lock().unwrap().posts.clone()
    }

    /// Markers in its data that it made.
    pub(crate) fn markers(&self) -> Vec<String> {
        self.state.lock().unwrap().markers.iter().filter(|marker| *marker != OF_CHECK).cloned().collect()
    }

    /// Whoever sent the last snapshot ended before it consumed the marker of that.
    pub(crate) fn put_back_marker(&self) {
        self.state.lock().unwrap().markers.insert(IN_SNAPSHOT.to_owned());
    }

    /// Nobody has sent a snapshot yet.
    pub(crate) fn reset(&self) {
        let mut state = self.state.lock().unwrap();
        state.posts.clear();
        state.markers = BTreeSet::from([OF_CHECK.to_owned()]);
    }

    /// Takes whatever body comes: what is longer than a dry run is restored.
    async fn swallow(&self, body: Body) -> (u16, Value) {
        let begun = Instant::now();
        let (mut body, mut bytes) = (body.into_data_stream(), 0);
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => bytes += piece.len() as u64,
                Err(_) => return (500, json!({"errors": ["unexpected EOF"]})),
            }
        }
        if bytes < DRY_RUN {
            return (500, json!({"errors": [SAME_KEYS]}));
        }
        let mut state = self.state.lock().unwrap();
        state.active = Timestamp::now();
        state.posts.push(Post { bytes, took: begun.elapsed() });
        state.markers = BTreeSet::from([IN_SNAPSHOT.to_owned()]);
        (204, Value::Null)
    }

    fn answer(&self, path: &str, headers: &HeaderMap, body: &Value) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let all = ["update"];
        match path {
            "sys/health" => (
                200,
                json!({"initialized": true, "sealed": false, "version": "9.9.9", "cluster_id": CLUSTER}),
            ),
            "sys/leader" => (
                200,
                json!({
                    "is_self": true, "active_time": state.active.to_string(), "leader_address": "x",
                    "raft_committed_index": 9, "raft_applied_index": 9,
                }),
            ),
            "sys/wrapping/lookup" if state.markers.contains(body["token"].as_str().unwrap_or_default()) => {
                (200, json!({}))
            }
            "sys/wrapping/unwrap" if state.markers.remove(header("X-Vault-Token")) => (200, json!({})),
            "sys/wrapping/lookup" | "sys/wrapping/unwrap" => {
                (400, json!({"errors": ["wrapping token is not valid or does not exist"]}))
            }
            "sys/wrapping/wrap" => {
                state.made += 1;
                let (token, created) = (format!("s.m{}", state.made), Timestamp::now().to_string());
                state.markers.insert(token.clone());
                let ttl: u64 = header("X-Vault-Wrap-TTL").trim_end_matches('s').parse().unwrap();
                (200, json!({"wrap_info": {"token": token, "ttl": ttl, "creation_time": created}}))
            }
            "sys/capabilities-self" => (
                200,
                json!({
                    "sys/storage/raft/snapshot": all, "sys/storage/raft/snapshot-force": all,
                    "sys/wrapping/wrap": all,
                }),
            ),
            "auth/token/lookup-self" => {
                (200, json!({"data": {"type": "service", "ttl": 3600, "renewable": false}}))
            }
            _ => (404, json!({"errors": []})),
        }
    }
}

async fn handle(
    State(bao): State<Bao>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let path = uri.path().trim_start_matches("/v1/");
    // curl -T says PUT.
    if path == "sys/storage/raft/snapshot" && method == Method::GET {
        return bao.give().await;
    }
    let (status, body) = match path {
        "sys/storage/raft/snapshot" => bao.swallow(body).await,
        path => {
            // It may be held open, to see for how long.
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            bao.answer(path, &headers, &serde_json::from_slice(&body).unwrap_or_default())
        }
    };
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let index = STANDARD.encode(json!({"cluster": CLUSTER, "value": "1"}).to_string());
    (StatusCode::from_u16(status).unwrap(), [("X-Vault-Index", index)], text).into_response()
}
