//! An API server with one Lease.

use super::serve::{Authority, serve};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Hook = Box<dyn FnOnce() -> Duration + Send>;

/// The server.
#[derive(Clone)]
pub(crate) struct Kubernetes {
    pub(crate) port: u16,
    lease: Arc<Mutex<Value>>,
    on_claim: Arc<Mutex<Option<Hook>>>,
}

impl Kubernetes {
    pub(crate) async fn start(authority: &Authority) -> Self {
        let mut server = Self { port: 0, lease: Arc::default(), on_claim: Arc::default() };
        server.renew();
        let path = "/apis/coordination.k8s.io/v1/namespaces/n/leases/ticket";
        let router = Router::new().route(path, get(read).put(write)).with_state(server.clone());
        server.port = serve(router, Some(authority)).await;
        server
    }

    /// Puts a ticket there that nobody has claimed.
    pub(crate) fn renew(&self) {
        *self.lease.lock().unwrap() =
            json!({"metadata": {"name": "ticket", "uid": "ticket-uid", "resourceVersion": "1"}});
    }

    pub(crate) fn lease(&self) -> Value {
        self.lease.lock().unwrap().clone()
    }

    /// An annotation of the ticket, as JSON.
    pub(crate) fn annotation(&self, key: &str) -> Value {
        let lease = self.lease();
        let text = lease["metadata"]["annotations"][key].as_str().unwrap_or("null");
        serde_json::from_str(text).unwrap()
    }

    /// Does this when the claim has come, and answers it so much later.
    pub(crate) fn on_claim(&self, hook: impl FnOnce() -> Duration + Send + 'static) {
        *self.on_claim.lock().unwrap() = Some(Box::new(hook));
    }
}

async fn read(State(server): State<Kubernetes>) -> Json<Value> {
    Json(server.lease())
}

async fn write(
    State(server): State<Kubernetes>,
    Json(mut next): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let claims = {
        let mut lease = server.lease.lock().unwrap();
        let version = lease["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        if next["metadata"]["resourceVersion"] != version {
            return Err(StatusCode::CONFLICT);
        }
        let claims = lease["spec"]["holderIdentity"].is_null() && next["spec"]["holderIdentity"].is_string();
        next["metadata"]["resourceVersion"] = json!((version.parse::<u64>().unwrap() + 1).to_string());
        *lease = next.clone();
        claims
    };
    if claims {
        let hook = server.on_claim.lock().unwrap().take();
        if let Some(hook) = hook {
            tokio::time::sleep(hook()).await;
        }
    }
    Ok(Json(next))
}
