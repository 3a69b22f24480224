//! A local object store that checks signatures, a folder with its credentials, servers of OpenBao, and a Task.

mod bao;
mod fault;
#[expect(dead_code, reason = "the builder of the archive's tests makes more than is needed here")]
#[path = "../archive/src/testing.rs"]
mod parts;
mod tls;

pub(crate) use bao::{Bao, End, Gives, Markers, OTHER_KEYS, answer_once, node};
pub(crate) use fault::{Deed, Faults};
pub(crate) use tls::Tls;

use crate::args::Args;
use crate::dial::Guard;
use api::StorageTarget;
use api::task::{Login, Request, Servers, Task, TaskKind, Ticket, WIRE_VERSION};
use bytes::Bytes;
use clap::Parser;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A snapshot that OpenBao 2.7.2 made: one node, Shamir seal, nothing but what `sys/init` writes.
pub(crate) const SNAPSHOT: &[u8] = include_bytes!("../archive/fixtures/openbao-2.7.2.snap");

/// A snapshot of three parts of 5 MiB, the least that S3 takes but for the last.
pub(crate) fn large_snapshot() -> Bytes {
    let mut records = parts::records();
    let mut random = 1_u32;
    let noise = (0..11 << 20).map(|_| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random.to_be_bytes()[0]
    });
    records.push(("logical/x", noise.collect()));
    Bytes::from(parts::Parts::of(&parts::state(&records)).object())
}

/// A store with the bucket `snapshots`; it goes away with its folder.
pub(crate) struct Store {
    pub(crate) target: StorageTarget,
    /// What it does other than it should.
    pub(crate) faults: Faults,
    folder: TempDir,
}

impl Store {
    /// A store without TLS.
    pub(crate) async fn start() -> Self {
        Self::serve("http", None).await
    }

    /// A store with a certificate for `localhost`, and the PEM of its authority.
    pub(crate) async fn start_tls() -> (Self, String) {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = issued.signing_key.serialize_der().try_into().unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        (Self::serve("https", Some(TlsAcceptor::from(Arc::new(config)))).await, issued.cert.pem())
    }

    async fn serve(scheme: &str, tls: Option<TlsAcceptor>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("data/snapshots")).unwrap();
        std::fs::create_dir_all(folder.path().join("storage")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path().join("data")).unwrap());
        service.set_auth(SimpleAuth::from_single("key-id", "secret-key"));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Faults::default();
        let service = (service, faults.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (service, tls) = (service.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, service).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, service).await;
                            }
                        }
                    }
                });
            }
        });
        let store = Self { target: target(&format!("{scheme}://localhost:{port}")), faults, folder };
        store.secret("accessKeyId", "key-id\n");
        store.secret("secretAccessKey", "secret-key");
        store
    }

    /// Puts an object under a key, in place of any that is there.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        let file = self.folder.path().join("data/snapshots").join(key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// Every file that the store keeps, by its path, with those that are no objects; only the bucket itself is left out.
    pub(crate) fn kept(&self) -> Vec<String> {
        let data = self.folder.path().join("data");
        let mut kept = Vec::new();
        let mut folders = vec![data.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    kept.push(path.strip_prefix(&data).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        kept.sort();
        kept
    }

    /// The bytes of an object.
    pub(crate) fn object(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join("data/snapshots").join(key)).unwrap()
    }

    /// Sets a key of the mounted Secret.
    pub(crate) fn secret(&self, key: &str, value: &str) {
        std::fs::write(self.secrets().join(key), value).unwrap();
    }

    /// The folder of the mounted Secret.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.mounts().join("storage")
    }

    /// The folder of everything that is mounted.
    pub(crate) fn mounts(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    (service, faults): (S3Service, Faults),
) {
    let service = service_fn(move |request| {
        let (service, faults) = (service.clone(), faults.clone());
        async move { faults.meet(request, service).await }
    });
    // A client that goes away in the middle is what some tests are about.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// What a pod with this Task is told.
pub(crate) fn args(mounts: &Path, task: &str) -> Args {
    let mounts = mounts.to_str().unwrap();
    Args::parse_from([
        "executor",
        "--mounts",
        mounts,
        "--task",
        task,
        "--storage-allow-cidrs",
        "127.0.0.0/8,::1/128",
    ])
}

/// What a pod may dial where everything is on loopback.
pub(crate) fn guard() -> Guard {
    Guard::of(&args(Path::new("/nowhere"), ""))
}

/// A Task for the object `a.snap`.
pub(crate) fn task(kind: TaskKind) -> Task {
    Task {
        v: WIRE_VERSION,
        kind,
        request: Request { namespace: "security".to_owned(), name: "a".to_owned(), uid: "uid".to_owned() },
        ticket: Ticket { name: "check-a".to_owned(), uid: "ticket".to_owned() },
        not_after: Time(Timestamp::UNIX_EPOCH),
        target: target("http://127.0.0.1:1"),
        key: "a.snap".to_owned(),
        sha256: None,
        cluster: Servers { addresses: Vec::new(), replicas: 0, tls_server_name: None },
        login: Some(Login::Token { key: "token".to_owned() }),
        force: false,
        pinned: None,
        origin: None,
        checked: None,
        proof: None,
        backup: None,
    }
}

/// A target as the API server would hand it out.
pub(crate) fn target(endpoint: &str) -> StorageTarget {
    serde_json::from_value(serde_json::json!({
        "endpoint": endpoint,
        "bucket": "snapshots",
        "usePathStyle": true,
        "credentialsSecretRef": {"name": "storage"},
    }))
    .unwrap()
}
