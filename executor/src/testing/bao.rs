//! A server that answers as OpenBao does, with a clock of its own.

mod markers;

use crate::openbao::{Cluster, Node};
use crate::testing::{SNAPSHOT, guard};
use api::task::{Claim, Identity, Origin, Servers, SnapshotMarker};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::DATE;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
pub(crate) use markers::Markers;
use markers::{BEGUN, IN_SNAPSHOT, Shared};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What one server is; change it at any time.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) sealed: bool,
    /// Whether it answers nothing.
    pub(crate) hangs: bool,
    pub(crate) leads: bool,
    /// Address of the leader, as it knows it; empty: its own.
    pub(crate) leader: String,
    pub(crate) active: Timestamp,
    pub(crate) now: Timestamp,
    /// Of its data.
    pub(crate) cluster_id: &'static str,
    pub(crate) committed: u64,
    pub(crate) applied: u64,
    pub(crate) version: &'static str,
    /// Kind of its seal.
    pub(crate) seal: &'static str,
    /// Status of the lookup of a marker; 200: as the markers of the cluster are.
    pub(crate) marker: u16,
    markers: Shared,
    /// The answer to the token's question for itself.
    pub(crate) token: (u16, Value),
    /// The answer to a login.
    pub(crate) login: (u16, Value),
    /// The answer to the dry run.
    pub(crate) dry_run: (u16, &'static str),
    /// What it gives when it is asked for a snapshot: the first of these, and the last of them again and again.
    pub(crate) gives: Vec<Gives>,
    /// Paths that it was asked, in order.
    pub(crate) asked: Vec<String>,
}

/// Bytes of a snapshot that are sent at once.
const PIECE: usize = 16 * 1024;

/// An answer to the request for a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Gives {
    pub(crate) status: u16,
    pub(crate) bytes: Bytes,
    pub(crate) end: End,
}

/// What comes behind its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The proper end of the answer: so OpenBao ends a snapshot that failed, too.
    Clean,
    /// Nothing at all.
    Hang,
    /// The end of the connection.
    Break,
}

impl Gives {
    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self { status: 200, bytes, end: End::Clean }
    }

    pub(crate) fn refusal(status: u16, text: &'static str) -> Self {
        Self { status, ..Self::whole(Bytes::from_static(text.as_bytes())) }
    }

    fn answer(self) -> Response {
        let bytes = self.bytes;
        let starts = (0..bytes.len()).step_by(PIECE);
        let pieces = starts.map(move |start| Ok(bytes.slice(start..bytes.len().min(start + PIECE))));
        let pieces = stream::iter(pieces);
        let end = self.end;
        let end = stream::once(async move {
            if end == End::Hang {
                std::future::pending::<()>().await;
            }
            (end == End::Break).then(|| Err(std::io::Error::other("the connection breaks")))
        });
        let body = Body::from_stream(pieces.chain(end.filter_map(std::future::ready)));
        (StatusCode::from_u16(self.status).unwrap(), body).into_response()
    }
}

/// What OpenBao says to a dry run with its own keys.
pub(crate) const SAME_KEYS: (u16, &str) = (
    500,
    r#"{"errors":["1 error occurred:\n\t* failed to read snapshot file: failed checking integrity of snapshot: hash check failed for \"state.bin\"\n\n"]}"#,
);
/// And with others.
pub(crate) const OTHER_KEYS: (u16, &str) = (
    400,
    r#"{"errors":["could not verify hash file, possibly the snapshot is using a different set of unseal keys; use the snapshot-force API to bypass this check"]}"#,
);

impl Server {
    /// The leader of a healthy cluster, with the clock of another year.
    fn leader() -> Self {
        let now: Timestamp = "2031-03-03T03:00:00Z".parse().unwrap();
        Self {
            sealed: false,
            hangs: false,
            leads: true,
            leader: String::new(),
            active: now - SignedDuration::from_hours(5),
            now,
            cluster_id: "ours",
            committed: 9,
            applied: 9,
            version: "2.7.2",
            seal: "shamir",
            marker: 200,
            markers: Shared::default(),
            token: (200, json!({"type": "service", "ttl": 3600, "renewable": false})),
            login: (200, json!({"client_token": "s.t", "token_type": "service", "lease_duration": 900})),
            dry_run: SAME_KEYS,
            gives: vec![Gives::whole(Bytes::from_static(SNAPSHOT))],
            asked: Vec::new(),
        }
    }

    fn answer(&self, path: &str, own: &str, headers: &HeaderMap, body: &Bytes) -> (u16, String) {
        let json = |status: u16, value: Value| (status, value.to_string());
        match path {
            "sys/health" => json(
                200,
                json!({"initialized": true, "sealed": self.sealed, "version": self.version, "cluster_id": self.cluster_id}),
            ),
            "sys/seal-status" => json(200, json!({"type": self.seal, "sealed": self.sealed})),
            _ if self.sealed => json(503, json!({"errors": ["Vault is sealed"]})),
            "sys/leader" => json(
                200,
                json!({
                    "is_self": self.leads, "active_time": self.leads.then(|| self.active.to_string()),
                    "leader_address": if self.leader.is_empty() { own } else { &self.leader },
                    "raft_committed_index": self.committed, "raft_applied_index": self.applied,
                }),
            ),
            "sys/wrapping/lookup" if self.marker == 400 => {
                json(400, json!({"errors": ["wrapping token is not valid or does not exist"]}))
            }
            "sys/wrapping/lookup" if self.marker != 200 => json(self.marker, json!({"errors": []})),
            _ if path.starts_with("sys/wrapping/") => {
                self.markers.lock().unwrap().answer(&path["sys/wrapping/".len()..], headers, body, self.now)
            }
            "sys/capabilities-self" => json(
                200,
                json!({
                    "sys/storage/raft/snapshot": ["update"], "sys/storage/raft/snapshot-force": ["update"],
                    "sys/wrapping/wrap": ["update"],
                }),
            ),
            "auth/token/lookup-self" => json(self.token.0, json!({"data": self.token.1})),
            "auth/jwt/login" => json(self.login.0, json!({"auth": self.login.1})),
            "auth/token/revoke-self" => (204, String::new()),
            "sys/storage/raft/snapshot" => (self.dry_run.0, self.dry_run.1.to_owned()),
            _ => json(404, json!({"errors": []})),
        }
    }
}

/// Some of them, which run until the test ends.
pub(crate) struct Bao {
    pub(crate) addresses: Vec<String>,
    servers: Vec<Arc<Mutex<Server>>>,
    markers: Shared,
}

impl Bao {
    /// A cluster whose first server leads.
    pub(crate) async fn start(count: usize) -> Self {
        let mut bao = Self { addresses: Vec::new(), servers: Vec::new(), markers: Shared::default() };
        for index in 0..count {
            let leader = bao.addresses.first().cloned().unwrap_or_default();
            let markers = Arc::clone(&bao.markers);
            let server = Server { leads: index == 0, leader, markers, ..Server::leader() };
            let server = Arc::new(Mutex::new(server));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let state = (Arc::clone(&server), address.clone());
            let router = Router::new().fallback(handle).with_state(state);
            tokio::spawn(async move { axum::serve(listener, router).await });
            bao.addresses.push(address);
            bao.servers.push(server);
        }
        bao
    }

    /// Changes one, or looks at it.
    pub(crate) fn server<T>(&self, index: usize, with: impl FnOnce(&mut Server) -> T) -> T {
        with(&mut self.servers[index].lock().unwrap())
    }

    /// Changes the markers in the data of all, or looks at them.
    pub(crate) fn markers<T>(&self, with: impl FnOnce(&mut Markers) -> T) -> T {
        with(&mut self.markers.lock().unwrap())
    }

    pub(crate) fn cluster(&self) -> Cluster {
        cluster(&self.addresses)
    }

    pub(crate) fn servers(&self) -> Servers {
        Servers { addresses: self.addresses.clone(), replicas: self.addresses.len(), tls_server_name: None }
    }

    /// The claim of a restore on the first server, whose snapshot has a marker and was taken of this cluster.
    pub(crate) fn claim(&self, of: Option<&str>) -> Claim {
        let time = Time(self.server(0, |leader| leader.now));
        let expires = Time(time.0 + SignedDuration::from_hours(24));
        let marker =
            SnapshotMarker { token: IN_SNAPSHOT.to_owned(), created: time.clone(), expires: expires.clone() };
        Claim {
            marker: BEGUN.to_owned(),
            expires,
            origin: of.map(|of| Origin { cluster_id: of.to_owned(), marker }),
            leader: self.addresses[0].clone(),
            identity: self.server(0, |leader| Identity {
                cluster_id: leader.cluster_id.to_owned(),
                active_time: leader.active.to_string(),
                raft_index: leader.applied,
            }),
            nothing_after: time,
        }
    }

    /// Replaces the data of all by those of a snapshot, after which this server leads anew.
    pub(crate) fn restore(&self, index: usize, has_marker: bool) {
        self.markers(|markers| {
            markers.alive = has_marker.then(|| IN_SNAPSHOT.to_owned()).into_iter().collect();
        });
        for other in 0..self.addresses.len() {
            self.server(other, |server| {
                server.leads = other == index;
                server.leader = if other == index { String::new() } else { self.addresses[index].clone() };
                server.active = server.now;
                server.applied += 1;
                server.committed += 1;
            });
        }
    }
}

async fn handle(
    State((server, own)): State<(Arc<Mutex<Server>>, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_start_matches("/v1/").to_owned();
    if method == Method::GET && path == "sys/storage/raft/snapshot" {
        let mut server = server.lock().unwrap();
        server.asked.push(path);
        let gives = if server.gives.len() > 1 { server.gives.remove(0) } else { server.gives[0].clone() };
        return gives.answer();
    }
    let (hangs, now, index, (status, body)) = {
        let mut server = server.lock().unwrap();
        server.asked.push(path.clone());
        let index = server.markers.lock().unwrap().index().filter(|_| path == "sys/wrapping/wrap");
        (server.hangs, server.now, index, server.answer(&path, &own, &headers, &body))
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    let mut date = String::new();
    DateTimePrinter::new().print_timestamp_rfc9110(&now, &mut date).unwrap();
    let index = index.map(|index| [("X-Vault-Index", index)]);
    (StatusCode::from_u16(status).unwrap(), [(DATE, date)], index, body).into_response()
}

fn cluster(addresses: &[String]) -> Cluster {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let servers = Servers { addresses: addresses.to_vec(), replicas: addresses.len(), tls_server_name: None };
    let folder = tempfile::tempdir().unwrap();
    let authority = rcgen::generate_simple_self_signed(["nobody".to_owned()]).unwrap().cert.pem();
    std::fs::write(folder.path().join("ca.crt"), authority).unwrap();
    Cluster::open(&servers, folder.path(), &guard()).unwrap()
}

/// The server at this address.
pub(crate) fn node(address: &str) -> Node {
    cluster(&[address.to_owned()]).node(0).unwrap().clone()
}

/// A server that reads whatever comes, answers this after a while, and goes away.
pub(crate) async fn answer_once(after: Duration, status: u16, text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut from, mut to) = stream.split();
        let mut sink = vec![0; 1 << 20];
        let swallow = async { while from.read(&mut sink).await.is_ok_and(|read| read > 0) {} };
        tokio::select! {
            () = swallow => {}
            () = tokio::time::sleep(after) => {}
        }
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        let _ = to.write_all(answer.as_bytes()).await;
    });
    address
}
