//! Lost secrets come back.

use crate::support::{apply, bao, condition, finished, kubectl, lock, solo, stored};
use serde_json::Value;
use tests::openbao::NAMESPACE;
use tests::scenario::Scenario;

/// Writes one value, snapshots, writes another, restores, and expects the first.
async fn comes_back(
    scenario: &Scenario<'_>,
    cluster: &str,
    name: &str,
    request: impl Fn(&str, &str) -> Value,
) {
    let (old, new) = (format!("old of {name}"), format!("new of {name}"));
    scenario.write(&old).await.unwrap();
    let snapshot = scenario.snapshot().await.unwrap();
    let size = snapshot.len();
    let key = format!("clusters/{cluster}/{name}.snap");
    scenario.put(&key, snapshot).await.unwrap();
    scenario.write(&new).await.unwrap();
    assert_eq!(scenario.read().await.unwrap(), new);

    apply(&request(name, &key));
    let done = finished(name).await;
    assert_eq!(done["status"]["phase"], "Completed", "{}", done["status"]);
    assert_eq!(condition(&done, "Ready"), ("True".to_owned(), "Proved".to_owned()));
    assert_eq!(condition(&done, "Applied").0, "True");
    assert_eq!(condition(&done, "LockReleased").0, "True");
    assert_eq!(done["status"]["snapshotSize"], size);
    assert!(lock(cluster).is_null(), "the lock is free");

    let read = scenario
        .cluster
        .eventually("the old value", std::time::Duration::from_secs(30), async || scenario.read().await.ok());
    assert_eq!(read.await, old);
}

#[tokio::test]
async fn one_node_by_jwt_and_by_a_token_older_than_the_snapshot() {
    let scenario = solo().await;
    comes_back(&scenario, "solo", "solo-jwt", |name, key| scenario.request(name, key)).await;
    comes_back(&scenario, "solo", "solo-token", |name, key| scenario.request_by_token(name, key)).await;

    let wait = |condition: &str| {
        kubectl(&["wait", "obr", "solo-jwt", "-n", NAMESPACE, "--for", condition, "--timeout=5s"])
    };
    assert!(wait("condition=Finished").contains("condition met"));
    assert!(wait("jsonpath={.status.phase}=Completed").contains("condition met"));
    let events = kubectl(&["get", "events", "-n", NAMESPACE, "-o", "json"]);
    let events: Value = serde_json::from_str(&events).unwrap();
    let told = |reason: &str| {
        events["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["reason"] == reason && event["involvedObject"]["name"] == "solo-jwt")
    };
    for reason in ["Verified", "LockAcquired", "Proved"] {
        assert!(told(reason), "no event {reason}");
    }
}

#[tokio::test]
async fn three_nodes() {
    let scenario = bao().await;
    comes_back(&scenario, "bao", "three", |name, key| scenario.request(name, key)).await;
    assert!(
        stored("three")["status"]["nextSteps"].to_string().contains("bao"),
        "standbys have to be restarted"
    );
}
