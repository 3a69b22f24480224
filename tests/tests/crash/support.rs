//! One cluster for all; the operator is a process of a test, or the chart's own.

use std::collections::BTreeMap;
use tests::harness::Cluster;
use tests::operator::Installed;
use tokio::sync::OnceCell;

static INSTALLED: OnceCell<Installed> = OnceCell::const_new();

pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(env!("CARGO_BIN_EXE_cluster"), "crash", "one")
}

/// The operator of the installation, which runs only where a test starts it.
pub(crate) async fn installed() -> &'static Installed {
    let take_over = || Installed::take_over(cluster(), env!("CARGO_BIN_EXE_cluster"));
    INSTALLED.get_or_try_init(take_over).await.unwrap()
}

/// How often the API server made each Job of the namespaces that begin so, by namespace and name.
pub(crate) fn jobs_made(prefix: &str) -> BTreeMap<String, usize> {
    let mut made = BTreeMap::new();
    for event in cluster().audit() {
        let object = &event["objectRef"];
        let namespace = object["namespace"].as_str().unwrap_or_default();
        let is_made = event["verb"] == "create" && event["responseStatus"]["code"] == 201;
        if object["resource"] == "jobs" && is_made && namespace.starts_with(prefix) {
            let name = object["name"].as_str().unwrap_or_default();
            *made.entry(format!("{namespace}/{name}")).or_default() += 1;
        }
    }
    made
}
