//! Lost secrets come back.

use crate::support::{apply, bao, condition, finished, kubectl, lock, solo, stored};
use serde_json::Value;
use std::time::Duration;
use tests::openbao::NAMESPACE;
use tests::scenario::Scenario;

/// An election takes seconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

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

    let read =
        scenario.cluster.eventually("the old value", SETTLED_WITHIN, async || scenario.read().await.ok());
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

/// Two replicas run all the time; only the leader may write, and each Job is made once.
#[tokio::test]
async fn only_the_leader_writes() {
    let scenario = solo().await;
    comes_back(&scenario, "solo", "solo-leader", |name, key| scenario.request(name, key)).await;
    let path = "jsonpath={.spec.holderIdentity}";
    let leader =
        kubectl(&["get", "lease", "openbao-recovery-operator", "-n", "openbao-recovery", "-o", path]);

    let events = scenario.cluster.audit();
    let writes: Vec<(String, String)> = events.iter().filter_map(write_of_operator).collect();
    assert!(writes.iter().any(|(_, what)| what == "create jobs restore-solo-leader"), "{writes:?}");
    let others: Vec<_> = writes.iter().filter(|(pod, _)| *pod != leader).collect();
    assert!(others.is_empty(), "{leader} leads, and yet: {others:?}");
    for job in ["check-solo-leader", "restore-solo-leader"] {
        let made = writes.iter().filter(|(_, what)| *what == format!("create jobs {job}")).count();
        assert_eq!(made, 1, "{job}");
    }
}

/// Pod and deed of an event in which the operator changed something, but for the election itself.
fn write_of_operator(event: &Value) -> Option<(String, String)> {
    let verb = event["verb"].as_str()?;
    let object = &event["objectRef"];
    let operator = event["user"]["username"].as_str()?.ends_with(":openbao-recovery-operator");
    let is_write = ["create", "patch", "update", "delete"].contains(&verb);
    let is_trial = event["requestURI"].as_str()?.contains("dryRun=All");
    let is_election = object["name"] == "openbao-recovery-operator";
    let pod = event["user"]["extra"]["authentication.kubernetes.io/pod-name"][0].as_str()?;
    let what =
        format!("{verb} {} {}", object["resource"].as_str()?, object["name"].as_str().unwrap_or_default());
    (operator && is_write && !is_trial && !is_election).then(|| (pod.to_owned(), what))
}
