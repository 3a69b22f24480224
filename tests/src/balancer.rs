//! One address before several servers: a balancer that deals connections, and one that deals each request, in an order
//! that the test gives. Who was sent what is counted behind it.

use crate::control_plane::LIFETIME;
use crate::fault_proxy::FaultProxy;
use crate::line::of_message;
use crate::object_store::acceptor;
use anyhow::Context;
use certs::issue;
use futures::TryStreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyDataStream, BodyExt, StreamBody};
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use reqwest::Certificate;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

type Body = BoxBody<Bytes, reqwest::Error>;

/// It runs until this value or its runtime ends; connections go on until they end.
#[derive(Debug)]
pub struct Balancer {
    /// URL of it.
    pub address: String,
    /// PEM of the CAs of the certificates that its clients see.
    pub authorities: String,
    deal: Arc<Deal>,
    _listening: DropGuard,
}

/// Which server comes next.
#[derive(Debug)]
struct Deal(Mutex<(Vec<usize>, usize)>);

impl Deal {
    fn of(order: &[usize]) -> Arc<Self> {
        Arc::new(Self(Mutex::new((order.to_vec(), 0))))
    }

    fn next(&self) -> usize {
        let mut deal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (order, next) = &mut *deal;
        let server = order[*next % order.len()];
        *next += 1;
        server
    }
}

impl Balancer {
    /// One that deals connections to these servers, again and again in this order.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn of_connections(servers: &[FaultProxy], order: &[usize]) -> anyhow::Result<Self> {
        let addresses =
            servers.iter().map(|server| address(&server.address)).collect::<Result<Vec<_>, _>>()?;
        let authorities = servers.iter().map(|server| server.authority.as_str()).collect();
        let deal = Deal::of(order);
        let dealt = Arc::clone(&deal);
        Self::listen(deal, authorities, move |client| pass(client, addresses[dealt.next()])).await
    }

    /// One that deals each request to these servers, whatever connection it came on.
    ///
    /// # Errors
    /// When it cannot listen, or its certificate cannot be made.
    pub async fn of_requests(servers: &[FaultProxy], order: &[usize]) -> anyhow::Result<Self> {
        let now = Timestamp::now();
        let authority = issue::authority("balancer", now, LIFETIME)?;
        let leaf = issue::leaf(&authority, &["127.0.0.1".to_owned()], now, LIFETIME)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("tls.crt"), &leaf.certificate)?;
        std::fs::write(folder.path().join("tls.key"), &leaf.key)?;
        let trusted = servers.iter().map(|server| Certificate::from_pem(server.authority.as_bytes()));
        let http =
            reqwest::Client::builder().no_proxy().tls_certs_only(trusted.collect::<Result<Vec<_>, _>>()?);
        let dealer = Arc::new(Dealer {
            acceptor: acceptor(folder.path())?,
            http: http.build()?,
            servers: servers.iter().map(|server| server.address.clone()).collect(),
            deal: Deal::of(order),
        });
        let deal = Arc::clone(&dealer.deal);
        Self::listen(deal, authority.certificate, move |client| Arc::clone(&dealer).serve(client)).await
    }

    async fn listen<F>(
        deal: Arc<Deal>,
        authorities: String,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("https://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let accept = async move {
            while let Ok((client, _)) = listener.accept().await {
                // A client that goes away is its own affair.
                tokio::spawn(serve(client));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
        Ok(Self { address, authorities, deal, _listening: stop.drop_guard() })
    }

    /// From now on it deals in this order.
    pub fn deal(&self, order: &[usize]) {
        *self.deal.0.lock().unwrap_or_else(PoisonError::into_inner) = (order.to_vec(), 0);
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr) -> anyhow::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// What its connections have in common, where it deals requests.
struct Dealer {
    acceptor: TlsAcceptor,
    http: reqwest::Client,
    servers: Vec<String>,
    deal: Arc<Deal>,
}

impl Dealer {
    async fn serve(self: Arc<Self>, client: TcpStream) -> anyhow::Result<()> {
        let client = TokioIo::new(self.acceptor.accept(client).await?);
        let service = service_fn(|request: Request<Incoming>| self.answer(request));
        Ok(http1::Builder::new().timer(TokioTimer::new()).serve_connection(client, service).await?)
    }

    async fn answer(&self, request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let url = format!("{}{}", self.servers[self.deal.next()], head.uri);
        let length = head.headers.get(CONTENT_LENGTH).cloned();
        let mut asked = self.http.request(head.method, url).headers(of_message(head.headers));
        if !body.is_end_stream() {
            asked = asked.body(reqwest::Body::wrap_stream(BodyDataStream::new(body)));
        }
        if let Some(length) = length {
            asked = asked.header(CONTENT_LENGTH, length);
        }
        let answer = asked.send().await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = of_message(answer.headers().clone());
        }
        Ok(response.body(BodyExt::boxed(StreamBody::new(answer.bytes_stream().map_ok(Frame::data))))?)
    }
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    Ok(url.strip_prefix("https://").context("no URL of a proxy")?.parse()?)
}
