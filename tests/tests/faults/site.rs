//! Where the sites of these tests are.

use std::sync::OnceLock;
use tests::harness::Cluster;
use tests::site::Place;

static NAMESPACE: OnceLock<String> = OnceLock::new();

pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(env!("CARGO_BIN_EXE_cluster"), "faults", "none")
}

pub(crate) async fn place() -> Place {
    Place::of(cluster(), NAMESPACE.get_or_init(|| cluster().namespace("faults"))).await
}
