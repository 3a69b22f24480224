//! A store with one object that serves ranges of it as fast as it can, and looks at no signature.

use super::serve::{Authority, serve};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, RANGE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// Bytes read from the file at once.
const PIECE: usize = 256 * 1024;

/// The store.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) address: String,
    object: PathBuf,
    stalled: Arc<AtomicBool>,
}

impl Store {
    pub(crate) async fn start(object: &Path, tls: Option<&Authority>) -> Self {
        let mut store = Self { address: String::new(), object: object.to_owned(), stalled: Arc::default() };
        let router = Router::new().fallback(handle).with_state(store.clone());
        let scheme = if tls.is_some() { "https" } else { "http" };
        store.address = format!("{scheme}://127.0.0.1:{}", serve(router, tls).await);
        store
    }

    /// From now on it answers nothing.
    pub(crate) fn stall(&self) {
        self.stalled.store(true, Ordering::SeqCst);
    }
}

async fn handle(State(store): State<Store>, uri: Uri, headers: HeaderMap) -> Response {
    if store.stalled.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    if uri.path() != "/snapshots/a.snap" {
        return (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response();
    }
    let mut file = File::open(&store.object).await.unwrap();
    let size = file.metadata().await.unwrap().len();
    let range =
        headers.get(RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let (start, end) = range.map_or((0, size), |(first, last)| {
        (first.parse::<u64>().unwrap(), size.min(last.parse::<u64>().unwrap() + 1))
    });
    file.seek(SeekFrom::Start(start)).await.unwrap();
    let body = ReaderStream::with_capacity(file.take(end - start), PIECE).boxed();
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let headers = [
        (CONTENT_LENGTH, (end - start).to_string()),
        (CONTENT_RANGE, format!("bytes {start}-{}/{size}", end - 1)),
        (ETAG, "\"etag\"".to_owned()),
        (LAST_MODIFIED, "Thu, 20 Feb 2020 20:20:20 GMT".to_owned()),
    ];
    (status, headers, Body::from_stream(body)).into_response()
}
