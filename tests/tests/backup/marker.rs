//! The marker of a snapshot, in a real OpenBao: it lives in the data of the snapshot, and nowhere else.

use crate::support::{ENDS_WITHIN, cluster, is_backed_up, solo, stored};
use api::conditions::ConditionType;
use reqwest::Method;
use serde_json::{Value, json};
use tests::scenario::Scenario;

/// Ten years.
const LIFE: u64 = 315_360_000;

async fn manifest(scenario: &Scenario<'_>, key: &str) -> Value {
    serde_json::from_slice(&scenario.object(&format!("{key}.json")).await.unwrap()).unwrap()
}

/// What OpenBao says of a marker.
async fn looked_up(scenario: &Scenario<'_>, token: &Value) -> anyhow::Result<Value> {
    scenario.bao(Method::POST, "sys/wrapping/lookup", json!({"token": token})).await
}

/// What people are told of the last backup.
fn told() -> String {
    let healthy = tests::harness::condition(&stored(), ConditionType::BackupHealthy.as_str());
    healthy["message"].as_str().unwrap().to_owned()
}

/// Bug: the snapshot lacks its marker, the cluster keeps it, or OpenBao understands something else by it than its stand-in in
/// the tests of the executor.
#[tokio::test]
async fn the_marker_comes_back_with_the_snapshot_alone() {
    let scenario = solo().await;
    let key = is_backed_up(&scenario, "marked", &json!({})).await;
    let marker = manifest(&scenario, &key).await["marker"].clone();
    assert_eq!(marker["ttlSeconds"], LIFE, "{marker}");
    assert!(!told().contains("marker"), "{}", told());
    let gone = looked_up(&scenario, &marker["token"]).await.unwrap_err().to_string();
    assert!(gone.contains("wrapping token is not valid or does not exist"), "{gone}");

    let snapshot = scenario.object(&key).await.unwrap();
    scenario.restore_by_hand(&scenario.openbao.address, snapshot).await.unwrap();
    let found = async || looked_up(&scenario, &marker["token"]).await.ok();
    let found = cluster().eventually("the marker is there", ENDS_WITHIN, found).await;
    let at = |time: &Value| time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at(&found["data"]["creation_time"]), at(&marker["creationTime"]), "{found}");

    // The next one has a marker of its own, and leaves this one alone.
    let next = is_backed_up(&scenario, "marked-again", &json!({})).await;
    assert_ne!(manifest(&scenario, &next).await["marker"]["token"], marker["token"]);
    assert!(looked_up(&scenario, &marker["token"]).await.is_ok());
}

/// Bug: a role that may not wrap makes no backup any more, or nobody is told what to add to its policy.
#[tokio::test]
async fn a_role_that_may_not_wrap_backs_up_without_a_marker() {
    let scenario = solo().await;
    let mut role =
        scenario.bao(Method::GET, "auth/jwt/role/backup", Value::Null).await.unwrap()["data"].clone();
    role["token_no_default_policy"] = json!(true);
    scenario.bao(Method::POST, "auth/jwt/role/bare", role.clone()).await.unwrap();
    let key = is_backed_up(&scenario, "bare", &json!({"backup": {"jwtAuthRole": "bare"}})).await;
    assert_eq!(manifest(&scenario, &key).await["marker"], Value::Null);
    let line = r#"path "sys/wrapping/wrap" { capabilities = ["update"] }"#;
    assert!(told().contains(line), "{}", told());

    // What it is told to add is enough, for a batch token too.
    scenario.bao(Method::POST, "sys/policies/acl/wrap", json!({"policy": line})).await.unwrap();
    role["token_policies"] = json!(["backup", "wrap"]);
    role["token_type"] = json!("batch");
    scenario.bao(Method::POST, "auth/jwt/role/bare", role).await.unwrap();
    let key = is_backed_up(&scenario, "granted", &json!({})).await;
    assert!(manifest(&scenario, &key).await["marker"]["token"].is_string(), "{}", told());
    scenario.patch(&json!({"spec": {"backup": {"jwtAuthRole": "backup"}}})).unwrap();
}
