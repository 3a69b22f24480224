//! Where the sites of these tests are.

use serde_json::{Value, json};
use std::sync::OnceLock;
use tests::harness::Cluster;
use tests::site::Place;

static NAMESPACE: OnceLock<String> = OnceLock::new();

pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(env!("CARGO_BIN_EXE_cluster"), "proof", "none")
}

pub(crate) async fn place() -> Place {
    Place::of(cluster(), NAMESPACE.get_or_init(|| cluster().namespace("proof"))).await
}

/// What a request differs in that is made for another OpenBaoCluster of a site, which its OpenBao has to admit.
pub(crate) fn by(name: &str) -> Value {
    json!({"cluster": name, "jwtAuthRole": format!("restore-{name}")})
}
