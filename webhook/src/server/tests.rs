use super::{Resolver, Router, Transport, serve};
use crate::certificate::Files;
use crate::health::{self, Health};
use crate::metrics::Metrics;
use axum::body::{Body, to_bytes};
use axum::routing::post;
use certs::issue::{Pair, authority, leaf};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

const NAME: &str = "webhook.system.svc";

/// Well under the handshake's own deadline: whoever had to wait for another client's handshake misses it.
const PROMPT: Duration = Duration::from_secs(3);

/// A running server whose certificate is read from a folder.
struct Server {
    address: SocketAddr,
    probes: SocketAddr,
    directory: TempDir,
    files: Files,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (resolver, metrics) = (Arc::new(Resolver::new(Timestamp::now)), Arc::new(Metrics::new()));
        let directory = TempDir::new().unwrap();
        let expiry = metrics.certificate_expiry.clone();
        let files = Files::new(directory.path().to_owned(), Arc::clone(&resolver), expiry);
        let (listener, stop) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), CancellationToken::new());
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/", post(async |body: String| body));
        let tls = Transport::tls(Arc::clone(&resolver));
        let ended = tokio::spawn(serve(listener, tls, routes, Arc::clone(&metrics), stop.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let probes = listener.local_addr().unwrap();
        let health = health::routes(Health { resolver, metrics, leaving: stop.clone() });
        tokio::spawn(async { axum::serve(listener, health).await });
        Self { address, probes, directory, files, stop, ended }
    }

    /// Puts a new pair into the folder, as a Secret volume does, and lets the server look. Gives back its authority.
    async fn renew(&mut self) -> Pair {
        let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
        let authority = authority("test", now, hour).unwrap();
        let pair = leaf(&authority, &[NAME.to_owned()], now, hour).unwrap();
        std::fs::write(self.directory.path().join("tls.crt"), pair.certificate).unwrap();
        std::fs::write(self.directory.path().join("tls.key"), pair.key).unwrap();
        self.files.look().await.unwrap();
        authority
    }

    async fn connect(&self, authority: &Pair, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), stream).await
    }

    async fn client(&self, authority: &Pair) -> SendRequest<Body> {
        let stream = self.connect(authority, &["http/1.1"]).await.unwrap();
        let (client, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn ready(&self) -> StatusCode {
        let stream = TcpStream::connect(self.probes).await.unwrap();
        let (mut client, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/readyz").header("host", "probe").body(Body::empty()).unwrap();
        client.send_request(request).await.unwrap().status()
    }
}

/// Whether the server sends a body back over this connection.
async fn echoes(client: &mut SendRequest<Body>) -> bool {
    client.ready().await.unwrap();
    let request = Request::post("/").header("host", NAME).body(Body::from("hello")).unwrap();
    let response = client.send_request(request).await.unwrap();
    to_bytes(Body::new(response.into_body()), 5).await.unwrap() == "hello"
}

#[tokio::test]
async fn without_a_certificate_it_is_not_ready_and_serves_nobody() {
    let mut server = Server::start().await;
    assert!(server.files.look().await.is_err(), "the folder is empty");
    assert_eq!(server.ready().await, StatusCode::SERVICE_UNAVAILABLE);
    let stranger = authority("test", Timestamp::now(), SignedDuration::from_hours(1)).unwrap();
    assert!(server.connect(&stranger, &[]).await.is_err());
    let authority = server.renew().await;
    assert_eq!(server.ready().await, StatusCode::OK);
    assert!(server.connect(&authority, &[]).await.is_ok());
    server.stop.cancel();
    assert_eq!(server.ready().await, StatusCode::SERVICE_UNAVAILABLE, "leaving");
}

#[tokio::test]
async fn a_new_certificate_is_served_and_no_connection_is_dropped() {
    let mut server = Server::start().await;
    let old = server.renew().await;
    let mut before = server.client(&old).await;
    assert!(echoes(&mut before).await);
    let new = server.renew().await;
    assert!(echoes(&mut server.client(&new).await).await);
    assert!(server.connect(&old, &[]).await.is_err(), "the old certificate is still served");
    assert!(echoes(&mut before).await);
}

#[tokio::test]
async fn a_file_that_is_half_written_leaves_the_certificate_in_use() {
    let mut server = Server::start().await;
    let authority = server.renew().await;
    std::fs::write(server.directory.path().join("tls.key"), "-----BEGIN").unwrap();
    server.files.look().await.unwrap();
    assert!(echoes(&mut server.client(&authority).await).await);
}

#[tokio::test]
async fn a_silent_client_holds_up_nobody() {
    let mut server = Server::start().await;
    let authority = server.renew().await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let client = async { echoes(&mut server.client(&authority).await).await };
    assert!(tokio::time::timeout(PROMPT, client).await.unwrap());
}

#[tokio::test]
async fn it_speaks_http_1_only() {
    let mut server = Server::start().await;
    let authority = server.renew().await;
    let stream = server.connect(&authority, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    assert!(server.connect(&authority, &["h2"]).await.is_err());
}

#[tokio::test]
async fn stopping_lets_go_of_idle_connections() {
    let mut server = Server::start().await;
    let authority = server.renew().await;
    let mut client = server.client(&authority).await;
    assert!(echoes(&mut client).await);
    server.stop.cancel();
    tokio::time::timeout(PROMPT, server.ended).await.unwrap().unwrap();
}
