//! One connection, from its first byte to its end.

use super::room::{Place, Stage};
use super::{Transport, http};
use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longest wait for a whole handshake, its first byte included.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Longest wait for the head of the first request: who connects wants something.
const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// Why a connection ended otherwise than by its client, or by the end of the server.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("its place was needed")]
    PlaceNeeded,
    #[error("no handshake within {HANDSHAKE:?}")]
    NoHandshake,
    #[error("no request within {FIRST_REQUEST:?}")]
    NoRequest,
    #[error("handshake: {0}")]
    Handshake(std::io::Error),
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
}

/// Serves a connection for as long as its place is its own.
pub(super) async fn serve(
    stream: TcpStream,
    place: Place,
    transport: Transport,
    routes: Router,
    stop: CancellationToken,
) -> Result<(), Ended> {
    let place = Arc::new(place);
    tokio::select! {
        ended = visit(stream, &place, transport, routes, stop) => ended,
        () = place.is_needed() => Err(Ended::PlaceNeeded),
    }
}

async fn visit(
    stream: TcpStream,
    place: &Arc<Place>,
    transport: Transport,
    routes: Router,
    stop: CancellationToken,
) -> Result<(), Ended> {
    match transport {
        Transport::Plain => {
            place.reached(Stage::Unasked);
            answer(stream, place, routes, stop).await
        }
        Transport::Tls(acceptor) => {
            let handshake = async {
                // Who says nothing gets no memory for TLS.
                stream.readable().await?;
                acceptor.accept(stream).await
            };
            let stream = timeout(HANDSHAKE, handshake).await.map_err(|_| Ended::NoHandshake)?;
            place.reached(Stage::Unasked);
            answer(stream.map_err(Ended::Handshake)?, place, routes, stop).await
        }
    }
}

async fn answer<S>(
    stream: S,
    place: &Arc<Place>,
    routes: Router,
    stop: CancellationToken,
) -> Result<(), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|request| {
        place.reached(Stage::Busy);
        let (place, answer) = (Arc::clone(place), hyper::service::Service::call(&routes, request));
        async move {
            let answer = answer.await;
            place.reached(Stage::Idle);
            answer
        }
    });
    let mut served = pin!(http().serve_connection(TokioIo::new(stream), service));
    let unasked = async {
        if timeout(FIRST_REQUEST, place.is_asked()).await.is_ok() {
            pending::<()>().await;
        }
    };
    tokio::select! {
        ended = served.as_mut() => Ok(ended?),
        () = unasked => Err(Ended::NoRequest),
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            Ok(served.await?)
        }
    }
}
