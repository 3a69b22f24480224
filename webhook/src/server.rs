//! The server of reviews, and that of probes. A handshake never holds up the next connection, and nothing is unbounded.

mod guest;
mod room;

use crate::metrics::Metrics;
use axum::Router;
use certs::reload::Resolver;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use room::{Place, Room};
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest wait for the head of a further request on the same connection: longer than the 90 s after which the API
/// server's client gives up an idle connection, so that it never writes into one that just closed.
const IDLE: Duration = Duration::from_mins(2);

/// Most bytes of a head; an API server's has 300.
const HEAD_BYTES: usize = 16 * 1024;

/// Connections at once. A cluster has a handful of API servers, each with few connections.
const CONNECTIONS: usize = 512;

/// How long a connection is kept however many others come: a handshake takes 3 ms. Of those that come, at most
/// [`CONNECTIONS`] in this time are let in; the others wait in the kernel.
const GRACE: Duration = Duration::from_millis(200);

/// Pause while nobody can be let in.
const DOOR_PAUSE: Duration = Duration::from_millis(5);

/// Pause after a connection could not be accepted, which is when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest wait for open requests at the end: twice what the API server waits for an answer.
const DRAIN: Duration = Duration::from_secs(10);

/// What lies between TCP and HTTP.
#[derive(Clone)]
pub(crate) enum Transport {
    /// Nothing.
    Plain,
    /// TLS.
    Tls(TlsAcceptor),
}

impl Transport {
    /// TLS by what the resolver holds at each handshake. HTTP/1.1 only: API servers speak nothing else to webhooks.
    pub(crate) fn tls(resolver: Arc<Resolver>) -> Self {
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self::Tls(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Serves until `stop`, then no longer than it takes the open requests to end, and [`DRAIN`] at most.
pub(crate) async fn serve(
    listener: TcpListener,
    transport: Transport,
    routes: Router,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let room = Room::new(CONNECTIONS, GRACE, metrics);
    while let Some((stream, peer, place)) = stop.run_until_cancelled(next(&listener, &room)).await {
        let (transport, routes, stop) = (transport.clone(), routes.clone(), stop.clone());
        connections.spawn(async move {
            if let Err(error) = guest::serve(stream, place, transport, routes, stop).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
        });
    }
    // Who comes now is refused, and asks another replica.
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections did not end in time and are dropped");
    }
}

async fn next(listener: &TcpListener, room: &Arc<Room>) -> (TcpStream, SocketAddr, Place) {
    let (stream, peer) = accept(listener).await;
    loop {
        if let Some(place) = room.enter(peer.ip()) {
            return (stream, peer, place);
        }
        tokio::time::sleep(DOOR_PAUSE).await;
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(HEAD_BYTES);
    http
}

#[cfg(test)]
mod tests;
