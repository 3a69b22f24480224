//! A store that takes uploads, with its files in a folder.

use super::serve::{Authority, serve};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::path::{Path, PathBuf};

/// The store, with the bucket `snapshots`.
pub(crate) struct Bucket {
    pub(crate) address: String,
    folder: PathBuf,
}

impl Bucket {
    pub(crate) async fn start(folder: &Path, tls: Option<&Authority>) -> Self {
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
        service.set_auth(SimpleAuth::from_single("id", "key"));
        let service = service.build();
        let router = Router::new().fallback(move |request| answer(service.clone(), request));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://127.0.0.1:{}", serve(router, tls).await);
        Self { address, folder: folder.to_owned() }
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.folder.join("snapshots").join(key)
    }

    /// Keys of the objects of backups, and the files of uploads that are not over.
    pub(crate) fn kept(&self) -> Vec<String> {
        let names = |folder: &Path, keep: fn(&str) -> bool| {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| keep(name)).collect::<Vec<_>>()
        };
        let mut kept = names(&self.path("n/a"), |_| true);
        kept.extend(names(&self.folder, |name| name.starts_with(".upload")));
        kept.sort();
        kept
    }
}

async fn answer(service: S3Service, request: Request<Body>) -> Response {
    let answered = service.call(request.map(s3s::Body::http_body_unsync)).await;
    answered.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), |found| found.map(Body::new))
}
