//! A proxy before an OpenBao server that counts what must happen at most once: the POST of a snapshot.

use crate::control_plane::LIFETIME;
use crate::object_store::acceptor;
use crate::openbao::OpenBao;
use anyhow::Context;
use certs::issue;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const SNAPSHOT: &str = "/v1/sys/storage/raft/snapshot";

/// A proxy that runs until its runtime ends.
#[derive(Debug)]
pub struct CountingProxy {
    /// URL of it.
    pub address: String,
    /// PEM of the CA of its certificate.
    pub authority: String,
    posts: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Forward {
    http: reqwest::Client,
    to: String,
    posts: Arc<AtomicUsize>,
}

impl CountingProxy {
    /// Starts one before the first server of `openbao`.
    ///
    /// # Errors
    /// When it cannot listen, or the certificates cannot be made or read.
    pub async fn start(openbao: &OpenBao) -> anyhow::Result<Self> {
        let now = Timestamp::now();
        let authority = issue::authority("counting proxy", now, LIFETIME)?;
        let leaf = issue::leaf(&authority, &["127.0.0.1".to_owned()], now, LIFETIME)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("tls.crt"), &leaf.certificate)?;
        std::fs::write(folder.path().join("tls.key"), &leaf.key)?;
        let acceptor = acceptor(folder.path())?;

        let ca = reqwest::Certificate::from_pem(&std::fs::read(&openbao.authority)?)?;
        let redirects = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(redirects).tls_certs_only([ca]).build()?;
        let posts = Arc::new(AtomicUsize::new(0));
        let forward = Forward { http, to: openbao.address.clone(), posts: Arc::clone(&posts) };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("https://{}", listener.local_addr()?);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(acceptor.clone(), stream, forward.clone()));
            }
        });
        Ok(Self { address, authority: authority.certificate, posts })
    }

    /// How many snapshots were posted so far.
    #[must_use]
    pub fn posts(&self) -> usize {
        self.posts.load(Ordering::SeqCst)
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, forward: Forward) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| {
        let forward = forward.clone();
        async move { Ok::<_, Infallible>(forward.answer(request).await) }
    });
    // A client that goes away is its own affair.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

impl Forward {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() == Method::POST
            && request.uri().path().starts_with(SNAPSHOT)
            && !is_small(&request)
        {
            self.posts.fetch_add(1, Ordering::SeqCst);
        }
        self.ask(request).await.unwrap_or_else(|error| {
            let mut response = Response::new(Full::from(format!("{error:#}")));
            *response.status_mut() = hyper::StatusCode::BAD_GATEWAY;
            response
        })
    }

    async fn ask(&self, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().context("no path")?;
        let mut headers = head.headers;
        for hop in ["host", "connection", "transfer-encoding", "content-length"] {
            headers.remove(hop);
        }
        let body = body.collect().await?.to_bytes();
        let answer = self.http.request(head.method, format!("{}{path}", self.to)).headers(headers).body(body);
        let answer = answer.send().await?;
        let mut response = Response::new(Full::default());
        *response.status_mut() = answer.status();
        *response.body_mut() = Full::from(answer.bytes().await?);
        Ok(response)
    }
}

/// The dry run of the seal check has an empty state.bin: a few KiB. A snapshot has the keyring and more.
fn is_small(request: &Request<Incoming>) -> bool {
    let length =
        request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length < 12 * 1024)
}
