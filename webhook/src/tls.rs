//! The TLS server. A handshake never holds up the next connection, and nothing is unbounded.

use axum::Router;
use certs::reload::Resolver;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Longest wait for the head of a request, also of the next one on the same connection: longer than the 90 s after
/// which the API server's client gives up an idle connection, so that it never writes into one that just closed.
const IDLE: Duration = Duration::from_mins(2);

/// Connections at once. A cluster has a handful of API servers, each with few connections.
const CONNECTIONS: usize = 512;

/// Pause after a connection could not be accepted, which is when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest wait for open requests at the end: twice what the API server waits for an answer.
const DRAIN: Duration = Duration::from_secs(10);

/// TLS by what the resolver holds at each handshake. HTTP/1.1 only: API servers speak nothing else to webhooks.
pub(crate) fn acceptor(resolver: Arc<Resolver>) -> TlsAcceptor {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Serves until `stop`, then no longer than it takes the open requests to end, and [`DRAIN`] at most.
pub(crate) async fn serve(listener: TcpListener, tls: TlsAcceptor, routes: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some((stream, permit)) = stop.run_until_cancelled(next(&listener, &room)).await {
        let (tls, routes, stop) = (tls.clone(), routes.clone(), stop.clone());
        connections.spawn(async move {
            if let Err(error) = connection(stream, tls, routes, stop).await {
                tracing::debug!(%error, "connection ended");
            }
            drop(permit);
        });
    }
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections did not end in time and are dropped");
    }
}

async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Never closed, so that there always is a permit.
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    tls: TlsAcceptor,
    routes: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let stream = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await??;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    ended.map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
