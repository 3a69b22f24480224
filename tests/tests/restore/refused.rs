//! Everything that can be wrong before anything is touched: Failed, with reason and next step, and the data as they were.

use crate::support::{ENDS_WITHIN, apply, bao, cluster, condition, finished, lock, solo};
use reqwest::Method;
use serde_json::{Value, json};
use tests::openbao::{BAO, NAMESPACE};
use tests::scenario::Scenario;

/// What is wrong: the object in the store, or the request.
struct Case {
    name: &'static str,
    spoil: fn(&mut Vec<u8>),
    change: fn(&mut Value),
    reasons: &'static [&'static str],
    says: &'static str,
}

const fn object(
    name: &'static str,
    spoil: fn(&mut Vec<u8>),
    reasons: &'static [&'static str],
    says: &'static str,
) -> Case {
    Case { name, spoil, change: |_| (), reasons, says }
}

const fn request(
    name: &'static str,
    change: fn(&mut Value),
    reasons: &'static [&'static str],
    says: &'static str,
) -> Case {
    Case { name, spoil: |_| (), change, reasons, says }
}

const CASES: [Case; 6] = [
    object(
        "flipped-byte",
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
        &["SnapshotInvalid"],
        "spec.source.key",
    ),
    object("truncated", |bytes| bytes.truncate(bytes.len() - 100), &["SnapshotInvalid"], "spec.source.key"),
    request(
        "missing-object",
        |request| request["spec"]["source"]["key"] = json!("clusters/solo/nowhere.snap"),
        &["SnapshotNotFound"],
        "spec.source.key",
    ),
    request(
        "wrong-digest",
        |request| request["spec"]["source"]["sha256"] = json!("0".repeat(64)),
        &["DigestMismatch"],
        "spec.source.sha256",
    ),
    request(
        "wrong-credentials",
        |request| {
            request["spec"]["source"]["target"]["credentialsSecretRef"] =
                json!({"name": "wrong-credentials"});
        },
        &["StorageDenied"],
        "credentialsSecretRef",
    ),
    request(
        "wrong-role",
        |request| request["spec"]["jwtAuthRole"] = json!("nobody"),
        &["LoginRefused"],
        "spec.jwtAuthRole",
    ),
];

async fn is_refused(scenario: &Scenario<'_>, case: &Case) {
    let name = case.name;
    scenario.write(name).await.unwrap();
    let mut snapshot = scenario.snapshot().await.unwrap();
    (case.spoil)(&mut snapshot);
    let key = format!("clusters/solo/{name}.snap");
    scenario.put(&key, snapshot).await.unwrap();
    let untouched = format!("{name}, untouched");
    scenario.write(&untouched).await.unwrap();

    let mut request = scenario.request(name, &key);
    (case.change)(&mut request);
    apply(&request);
    let done = finished(name).await;
    let status = &done["status"];
    assert_eq!(status["phase"], "Failed", "{name}: {status}");
    let reason = condition(&done, "Finished").1;
    assert!(case.reasons.contains(&reason.as_str()), "{name}: {reason}: {status}");
    let message = status["message"].as_str().unwrap();
    assert!(message.contains(case.says), "{name}: {message}");
    assert!(message.contains("Nothing was touched"), "{name}: {message}");
    assert_eq!(condition(&done, "LockHeld").0, "", "{name}: the lock was never taken");
    assert!(lock("solo").is_null(), "{name}");
    assert_eq!(scenario.read().await.unwrap(), untouched, "{name}");
}

#[tokio::test]
async fn what_is_wrong_is_found_before_the_lock_is_taken() {
    let scenario = solo().await;
    let wrong = json!({
        "accessKeyId": "nobody", "secretAccessKey": "nothing",
        "caCert": std::fs::read_to_string(scenario.cluster.variable("AWS_CA_BUNDLE")).unwrap()
    });
    scenario.secret("wrong-credentials", &wrong).unwrap();
    for case in &CASES {
        is_refused(&scenario, case).await;
    }
}

/// Hands the cluster back as it was found, to this test and to those that come after it.
async fn healthy(scenario: &Scenario<'_>) -> String {
    let client = scenario.cluster.client().await;
    tests::openbao::wait_until_settled(&client, &BAO, &scenario.openbao).await.unwrap();
    scenario
        .cluster
        .eventually("OpenBao answers again", ENDS_WITHIN, async || scenario.read().await.ok())
        .await
}

async fn is_refused_by_servers(scenario: &Scenario<'_>, name: &str, reasons: &[&str]) {
    apply(&scenario.request(name, "clusters/bao/servers.snap"));
    let done = finished(name).await;
    assert_eq!(done["status"]["phase"], "Failed", "{name}: {}", done["status"]);
    let reason = condition(&done, "Finished").1;
    assert!(reasons.contains(&reason.as_str()), "{name}: {reason}: {}", done["status"]);
    assert!(lock("bao").is_null(), "{name}");
}

#[tokio::test]
async fn a_sealed_server_and_a_missing_leader_are_found_before_the_lock_is_taken() {
    let scenario = bao().await;
    tests::openbao::wait_for_voters(&scenario.cluster.openbao("bao"), 3).await.unwrap();
    scenario.write("old").await.unwrap();
    scenario.put("clusters/bao/servers.snap", scenario.snapshot().await.unwrap()).await.unwrap();
    scenario.write("untouched by servers").await.unwrap();

    scenario.bao(Method::PUT, "sys/seal", json!({})).await.unwrap();
    is_refused_by_servers(&scenario, "sealed", &["ServerSealed"]).await;
    cluster().fault(NAMESPACE, "bao-0", "kill-sealed");
    assert_eq!(healthy(&scenario).await, "untouched by servers");

    cluster().fault(NAMESPACE, "bao-1", "freeze");
    cluster().fault(NAMESPACE, "bao-2", "freeze");
    is_refused_by_servers(&scenario, "no-leader", &["NoLeader", "ServerUnreachable"]).await;
    cluster().fault(NAMESPACE, "bao-1", "thaw");
    cluster().fault(NAMESPACE, "bao-2", "thaw");
    assert_eq!(healthy(&scenario).await, "untouched by servers");
}
