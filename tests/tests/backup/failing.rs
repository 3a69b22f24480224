//! What goes wrong with a real OpenBao and a real store: told with field and fix, counted, and nothing is left.

use crate::support::{ENDS_WITHIN, cluster, make_manually, reads_secret, solo, status, until};
use reqwest::Method;
use serde_json::{Value, json};
use tests::openbao::NAMESPACE;
use tests::scenario::Scenario;

/// A backup that has to fail, for this reason.
async fn fails(scenario: &Scenario<'_>, name: &str, reason: &str) -> Value {
    let before = status()["consecutiveFailures"].as_i64().unwrap_or_default();
    let objects = scenario.objects().await.unwrap();
    make_manually(name).await;
    let backup = until(&format!("{name} fails"), |status| {
        let backup = &status["backup"];
        let counted = backup["consecutiveFailures"].as_i64() == Some(before + 1);
        (counted && status["operationLock"].is_null()).then(|| backup.clone())
    })
    .await;
    let text = backup["lastFailureReason"].as_str().unwrap();
    assert!(text.starts_with(reason), "{name}: {text}");
    assert_eq!(scenario.objects().await.unwrap(), objects, "{name} left something in the bucket");
    backup
}

/// Bug: a failure leaves the lock, or parts in the store; or is told so that nobody knows what to do.
#[tokio::test]
async fn each_failure_is_told_and_the_next_backup_works() {
    let scenario = solo().await;
    let good = scenario.backup();
    let with = |field: &str, value: Value| {
        let mut backup = good.clone();
        backup[field] = value;
        json!({"spec": {"backup": backup}})
    };
    let mut nowhere = good["target"].clone();
    nowhere["credentialsSecretRef"]["name"] = json!("nowhere");
    scenario.patch(&with("target", nowhere)).unwrap();
    reads_secret("nowhere").await;
    let told = fails(&scenario, "no-secret", "StorageDenied").await;
    let text = told["lastFailureReason"].as_str().unwrap();
    assert!(text.contains("spec.backup.target.credentialsSecretRef"), "{text}");

    scenario.patch(&with("jwtAuthRole", json!("nobody"))).unwrap();
    reads_secret("s3-credentials").await;
    fails(&scenario, "no-role", "LoginRefused").await;
    scenario.patch(&json!({"spec": {"backup": good}})).unwrap();

    scenario.bao(Method::PUT, "sys/seal", json!({})).await.unwrap();
    fails(&scenario, "sealed", "ServerSealed").await;
    cluster().fault(NAMESPACE, "solo-0", "kill-after-backup");
    let answers = async || scenario.write("unsealed again").await.ok();
    cluster().eventually("OpenBao is unsealed again", ENDS_WITHIN, answers).await;

    let before = status()["lastBackupName"].as_str().map(str::to_owned);
    make_manually("good-again").await;
    until("it is made", |status| (status["backup"]["consecutiveFailures"] == 0).then_some(())).await;
    assert_ne!(status()["lastBackupName"].as_str().map(str::to_owned), before);
}
