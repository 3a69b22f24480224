//! One connection to one server. Nobody shares it, and none takes its place: what its server said on it is true of whoever
//! gets the next request.

mod queue;
mod wire;

pub(crate) use wire::Wire;

use super::{ANSWER, Answer, CONNECT, LEADER, Leadership, Node, leadership, with_room};
use crate::report::told;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::http::request::Builder;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use socket2::{SockRef, TcpKeepalive};
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use wire::{Io, Watched};

/// Time without a sign of life after which the kernel asks for one, and between two questions.
const QUIET: Duration = Duration::from_secs(5);
/// Longest time in which the peer takes nothing of what was written.
const STALL: Duration = Duration::from_secs(15);
/// Bytes of an answer that are kept: a page of a proxy has no end that anybody knows.
const MOST_TEXT: usize = 64 * 1024;

/// The body of a request.
pub(crate) type Outgoing = BoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// An answer, or why there is none.
pub(crate) type Heard = Result<Answer, Silence>;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum Silence {
    /// The connection broke, or ended before an answer did.
    Broke(String),
    /// The request could not be made, or what came is no answer.
    Wrong(String),
}

/// A connection on which nothing is under way. It is reset where it is dropped, and where the process ends.
pub(crate) struct Connection {
    sender: SendRequest<Outgoing>,
    driver: AbortOnDropHandle<()>,
    wire: Arc<Wire>,
    host: String,
}

/// A connection with a request that may be its last.
pub(crate) struct Exchange {
    driver: AbortOnDropHandle<()>,
    heard: Shared<BoxFuture<'static, Heard>>,
    /// Whether the head of an answer was read.
    begun: Arc<AtomicBool>,
    /// What keeps the connection open, once the answer was read.
    sender: oneshot::Receiver<SendRequest<Outgoing>>,
    wire: Arc<Wire>,
    host: String,
}

impl Node {
    /// A connection to it.
    pub(crate) async fn connect(&self) -> Result<Connection, String> {
        let stream = self.way.dialer.connect(CONNECT).await.map_err(|error| told(&*error))?;
        let wire = patience(&stream).and_then(|()| Wire::of(&stream)).map_err(|error| told(&error))?;
        let host = self.way.verified.as_str().split_once("://").map_or("", |(_, host)| host);
        Connection::over(self.encrypted(stream).await?, wire, host).await
    }

    async fn encrypted(&self, stream: TcpStream) -> Result<Box<dyn Io>, String> {
        let address = &self.way.verified;
        if address.is_plaintext() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(address.host().to_owned()).map_err(|error| told(&error))?;
        let greeted = timeout(CONNECT, self.way.tls.connect(name, stream)).await;
        let greeted = greeted.map_err(|_| "it does not answer the handshake of TLS".to_owned())?;
        Ok(Box::new(greeted.map_err(|error| told(&error))?))
    }
}

/// TLS with those who have a certificate of these authorities, for HTTP/1.1 alone.
pub(super) fn tls(roots: RootCertStore) -> TlsConnector {
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// How long the kernel waits for a peer. What it still has of a connection that is closed it throws away, and the peer
/// sees a reset: nothing of it is on its way after this process.
fn patience(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(QUIET).with_interval(QUIET))?;
    socket.set_tcp_user_timeout(Some(STALL))?;
    socket.set_linger(Some(Duration::ZERO))
}

impl Connection {
    async fn over(io: Box<dyn Io>, wire: Wire, host: &str) -> Result<Self, String> {
        let wire = Arc::new(wire);
        let io = TokioIo::new(Watched::new(io, Arc::clone(&wire)));
        let (sender, connection) = http1::handshake(io).await.map_err(|error| told(&error))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(fault = told(&error), "a connection ended");
            }
        });
        Ok(Self { sender, driver: AbortOnDropHandle::new(driver), wire, host: host.to_owned() })
    }

    /// Over something that is no socket; the kernel is asked about an idle one.
    #[cfg(test)]
    pub(crate) async fn through(
        io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
        idle: &TcpStream,
    ) -> Self {
        Self::over(Box::new(io), Wire::of(idle).unwrap(), "x").await.unwrap()
    }

    /// What the server says about who leads now.
    pub(crate) async fn leadership(&mut self) -> Result<Leadership, String> {
        let asked = async || {
            let asked = timeout(ANSWER, self.ask(LEADER)).await;
            asked.map_err(|_| "it gave no answer in time".to_owned())?
        };
        leadership(with_room(asked).await?)
    }

    async fn ask(&mut self, path: &str) -> Result<Answer, String> {
        let request = self.request(Method::GET, path).body(Empty::new().map_err(Into::into).boxed());
        let answered = self.sender.send_request(request.map_err(|error| told(&error))?);
        let answer = whole(answered.await.map_err(|error| told(&error))?).await;
        // The next request goes out at once.
        self.sender.ready().await.map_err(|error| told(&error))?;
        Ok(answer)
    }

    /// The head of a request.
    pub(crate) fn request(&self, method: Method, path: &str) -> Builder {
        Request::builder().method(method).uri(format!("/v1/{path}")).header(HOST, &self.host)
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// Sends a request that may be the last of this connection.
    pub(crate) fn send(self, request: Result<Request<Outgoing>, hyper::http::Error>) -> Exchange {
        let Self { mut sender, driver, wire, host } = self;
        let answered = request.map(|request| sender.send_request(request));
        let begun = Arc::new(AtomicBool::new(false));
        let (known, begins) = (Arc::clone(&wire), Arc::clone(&begun));
        let (keep, kept) = oneshot::channel();
        let heard = async move {
            let answered = answered.map_err(|error| Silence::Wrong(told(&error)))?.await;
            let answered = answered.map_err(|error| silence(&error, known.broken()))?;
            begins.store(true, Ordering::SeqCst);
            let answer = whole(answered).await;
            // It keeps the connection open for whoever wants it, and ends it otherwise.
            let _ = keep.send(sender);
            Ok(answer)
        };
        Exchange { driver, heard: heard.boxed().shared(), begun, sender: kept, wire, host }
    }
}

impl Exchange {
    /// The answer, as often as it is asked for.
    pub(crate) fn heard(&self) -> impl Future<Output = Heard> + use<> {
        self.heard.clone()
    }

    /// The answer if one has begun, or why there will be none; none: it is awaited.
    pub(crate) async fn heard_by_now(&self) -> Option<Heard> {
        let by_now = self.heard().now_or_never();
        if by_now.is_none() && self.begun.load(Ordering::SeqCst) {
            return Some(self.heard().await);
        }
        by_now
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The connection once its answer was read, if it is still there for another request.
    pub(crate) async fn kept(self) -> Option<Connection> {
        let Self { driver, mut sender, wire, host, .. } = self;
        let mut sender = sender.try_recv().ok()?;
        timeout(ANSWER, sender.ready()).await.ok()?.ok()?;
        Some(Connection { sender, driver, wire, host })
    }

    /// Resets the connection. When this returns nothing is written to it any more.
    pub(crate) async fn end(self) {
        self.driver.abort();
        // It was ended, whatever is said about how.
        let _ = self.driver.await;
    }
}

/// An answer by its head and what comes of its text, which may be long, stall or break off: the head alone says most.
async fn whole(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let (mut text, mut body) = (Vec::new(), pin!(body));
    let read = async {
        while text.len() < MOST_TEXT
            && let Some(Ok(frame)) = body.frame().await
        {
            text.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    };
    // What came in time is what there is.
    let _ = timeout(ANSWER, read).await;
    Answer::of(head.status.as_u16(), &head.headers, &String::from_utf8_lossy(&text))
}

fn silence(error: &hyper::Error, broken: Option<&str>) -> Silence {
    let fault = told(error);
    if error.is_user() || error.is_parse() {
        return Silence::Wrong(fault);
    }
    Silence::Broke(match broken {
        Some(broken) if !fault.contains(broken) => format!("{fault}: {broken}"),
        _ => fault,
    })
}

#[cfg(test)]
mod tests;
