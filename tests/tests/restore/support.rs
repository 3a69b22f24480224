//! A scenario for each OpenBao cluster, one test at a time on each, and the way of a request to its end.

use serde_json::Value;
use std::time::Duration;
use tests::harness::Cluster;
use tests::openbao::NAMESPACE;
use tests::scenario::Scenario;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// A restore of a few kilobytes takes 10 s on an idle machine: two Jobs, and OpenBao's 5.5 s.
pub(crate) const ENDS_WITHIN: Duration = Duration::from_mins(3);

static SOLO: OnceCell<Mutex<Scenario<'static>>> = OnceCell::const_new();
static BAO: OnceCell<Mutex<Scenario<'static>>> = OnceCell::const_new();

pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(env!("CARGO_BIN_EXE_cluster"), "restore", "both")
}

/// The cluster of one node.
pub(crate) async fn solo() -> MutexGuard<'static, Scenario<'static>> {
    SOLO.get_or_init(|| prepared("solo")).await.lock().await
}

/// The cluster of three nodes.
pub(crate) async fn bao() -> MutexGuard<'static, Scenario<'static>> {
    BAO.get_or_init(|| prepared("bao")).await.lock().await
}

async fn prepared(name: &'static str) -> Mutex<Scenario<'static>> {
    Mutex::new(Scenario::prepare(cluster(), name).await.unwrap())
}

pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let output = cluster().kubectl(arguments, None);
    assert_eq!(output.code, 0, "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

pub(crate) fn apply(manifest: &Value) {
    let output = cluster().kubectl(&["apply", "-f", "-"], Some(&manifest.to_string()));
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

/// The request as it is now.
pub(crate) fn stored(name: &str) -> Value {
    let text = kubectl(&["get", "openbaorestore", name, "-n", NAMESPACE, "-o", "json"]);
    serde_json::from_str(&text).unwrap()
}

/// Waits until the request is finished and has been cleaned up after.
pub(crate) async fn finished(name: &str) -> Value {
    cluster()
        .eventually(&format!("{name} is finished"), ENDS_WITHIN, async || {
            let object = stored(name);
            let over =
                condition(&object, "Finished").0 == "True" && object["metadata"]["finalizers"].is_null();
            let unknown = condition(&object, "Applied").0 == "Unknown";
            assert!(over || !unknown, "{name} is stuck: {}", object["status"]);
            over.then_some(object)
        })
        .await
}

/// Status and reason of a condition; empty where there is none.
pub(crate) fn condition(object: &Value, kind: &str) -> (String, String) {
    let found = tests::harness::condition(object, kind);
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

pub(crate) fn lock(cluster: &str) -> Value {
    let text = kubectl(&["get", "openbaocluster", cluster, "-n", NAMESPACE, "-o", "json"]);
    serde_json::from_str::<Value>(&text).unwrap()["status"]["operationLock"].clone()
}
