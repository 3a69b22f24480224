//! Probes and metrics, plain HTTP.

use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use certs::reload::Resolver;
use jiff::Timestamp;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Media type of what the registry writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the probes look at.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) metrics: Arc<Metrics>,
    /// Cancelled once the process is asked to end.
    pub(crate) leaving: CancellationToken,
}

/// `/livez`, `/readyz`, `/metrics`.
pub(crate) fn routes(health: Health) -> Router {
    Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(async |State(health): State<Health>| readyz(&health, Timestamp::now())))
        .route("/metrics", get(async |State(health): State<Health>| metrics(&health)))
        .with_state(health)
}

fn readyz(health: &Health, now: Timestamp) -> (StatusCode, &'static str) {
    if health.leaving.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down")
    } else if health.resolver.is_valid(now) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no valid certificate: waiting for tls.crt and tls.key")
    }
}

fn metrics(health: &Health) -> Response {
    match health.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
