//! The API server's side.

use crate::REVIEW;
use crate::process::{HOST, Server};
use axum::body::{Body, to_bytes};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

pub(crate) const WARM_UP: u32 = 500;
pub(crate) const REVIEWS: u32 = 5000;
pub(crate) const HANDSHAKES: u32 = 500;

/// A client, one request at a time.
pub(crate) struct Load {
    runtime: Runtime,
    connector: TlsConnector,
    address: SocketAddr,
}

impl Load {
    pub(crate) fn new(server: &Server) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(server.authority.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, connector: TlsConnector::from(Arc::new(config)), address: server.address }
    }

    /// All on one connection.
    pub(crate) fn reviews(&self, count: u32) {
        self.runtime.block_on(async {
            let mut client = self.connect().await;
            for _ in 0..count {
                self.ask(&mut client).await;
            }
        });
    }

    /// Each with a connection of its own.
    pub(crate) fn handshakes(&self, count: u32) {
        self.runtime.block_on(async {
            for _ in 0..count {
                let mut client = self.connect().await;
                self.ask(&mut client).await;
            }
        });
    }

    async fn connect(&self) -> SendRequest<Body> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let stream = self.connector.connect(ServerName::try_from(HOST).unwrap(), stream).await.unwrap();
        let (client, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn ask(&self, client: &mut SendRequest<Body>) {
        client.ready().await.unwrap();
        let request =
            Request::post("/validate").header("host", HOST).header("content-type", "application/json");
        let request = request.header("content-length", REVIEW.len());
        let answer = client.send_request(request.body(Body::from(REVIEW)).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = to_bytes(Body::new(answer.into_body()), 10_000).await.unwrap();
        assert!(body.windows(14).any(|text| text == b"\"allowed\":true"), "{body:?}");
    }
}
