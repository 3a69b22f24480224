//! One OpenBao, one test at a time on it, and what its cluster says of backups.

use api::conditions::ConditionType;
use serde_json::{Value, json};
use std::time::Duration;
use tests::harness::Cluster;
use tests::openbao::NAMESPACE;
use tests::scenario::Scenario;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// A backup of a few kilobytes takes 5 s on an idle machine, and a schedule comes within a minute.
pub(crate) const ENDS_WITHIN: Duration = Duration::from_mins(4);

static SOLO: OnceCell<Mutex<Scenario<'static>>> = OnceCell::const_new();

pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(env!("CARGO_BIN_EXE_cluster"), "backup", "one")
}

/// The cluster of one node, with backups by hand.
pub(crate) async fn solo() -> MutexGuard<'static, Scenario<'static>> {
    let prepared = async || {
        let scenario = Scenario::prepare(cluster(), "solo").await.unwrap();
        scenario.patch(&json!({"spec": {"backup": scenario.backup()}})).unwrap();
        Mutex::new(scenario)
    };
    SOLO.get_or_init(prepared).await.lock().await
}

pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let output = cluster().kubectl(arguments, None);
    assert_eq!(output.code, 0, "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

/// The OpenBaoCluster as it is now.
pub(crate) fn stored() -> Value {
    let text = kubectl(&["get", "openbaocluster", "solo", "-n", NAMESPACE, "-o", "json"]);
    serde_json::from_str(&text).unwrap()
}

/// `status.backup`.
pub(crate) fn status() -> Value {
    stored()["status"]["backup"].clone()
}

/// Status and reason of a condition; empty where there is none.
pub(crate) fn condition(kind: ConditionType) -> (String, String) {
    let found = tests::harness::condition(&stored(), kind.as_str());
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

/// Waits until the cluster is as it has to be.
pub(crate) async fn until<T>(what: &str, holds: impl Fn(&Value) -> Option<T>) -> T {
    cluster().eventually(what, ENDS_WITHIN, async || holds(&stored()["status"])).await
}

/// Waits until a backup is made after the one of this key; gives the key of the new one once nothing is left to clean up.
pub(crate) async fn backed_up(after: Option<&str>) -> String {
    until("a backup is made and its lock free", |status| {
        let backup = &status["backup"];
        assert!(backup["consecutiveFailures"].as_i64().unwrap_or_default() == 0, "{backup}");
        let key = status["backup"]["lastBackupName"].as_str()?.to_owned();
        (Some(key.as_str()) != after && status["operationLock"].is_null()).then_some(key)
    })
    .await
}

/// Asks for a backup with `spec` merged into the cluster's, and waits until it is made; gives its key.
pub(crate) async fn is_backed_up(scenario: &Scenario<'_>, trigger: &str, spec: &Value) -> String {
    let before = status()["lastBackupName"].as_str().map(str::to_owned);
    scenario.patch(&json!({"spec": spec})).unwrap();
    let annotation = format!("openbao.org/trigger-backup={trigger}");
    kubectl(&["annotate", "openbaocluster", "solo", "-n", NAMESPACE, "--overwrite", &annotation]);
    let key = backed_up(before.as_deref()).await;
    assert_eq!(status()["lastTrigger"], trigger);
    key
}

/// A Job from the `CronJob`, as the user's document makes it.
pub(crate) async fn make_manually(name: &str) {
    let made = async || {
        let arguments = ["create", "job", "--from=cronjob/solo-backup", name, "-n", NAMESPACE];
        (cluster().kubectl(&arguments, None).code == 0).then_some(())
    };
    cluster().eventually("the CronJob is there", ENDS_WITHIN, made).await;
}

/// Waits until Jobs are made as the cluster says now, with the credentials of this Secret: one that is made earlier is
/// refused as stale.
pub(crate) async fn reads_secret(name: &str) {
    let path =
        "jsonpath={.spec.jobTemplate.spec.template.spec.volumes[?(@.name==\"storage\")].secret.secretName}";
    let arguments = ["get", "cronjob", "solo-backup", "-n", NAMESPACE, "-o", path];
    let reads = async || (cluster().kubectl(&arguments, None).stdout == name).then_some(());
    cluster().eventually(&format!("the CronJob reads Secret {name}"), ENDS_WITHIN, reads).await;
}
