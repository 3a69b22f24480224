//! Probes and metrics, on a plain port of their own.

use crate::args::Args;
use crate::metrics::Metrics;
use crate::probe::Readiness;
use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Shared {
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

/// Binds the port now, so that a port in use is told at start, and gives the server to run.
///
/// # Errors
/// When the port cannot be bound.
pub(crate) async fn bind(
    args: &Args,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let address = args.health_address();
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let router = Router::new()
        // Every task that ends ends the process, so who answers lives.
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Shared { readiness, metrics, stop: stop.clone() });
    Ok(async move {
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
        Ok(())
    })
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    if shared.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    match shared.readiness.why_not() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn scrape(State(shared): State<Shared>) -> impl IntoResponse {
    shared.metrics.ready.set(i64::from(shared.readiness.why_not().is_none()));
    match shared.metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
