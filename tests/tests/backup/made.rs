//! Each way in which a backup is made, and that it can be restored.

use crate::support::{
    ENDS_WITHIN, backed_up, cluster, condition, kubectl, make_manually, solo, status, until,
};
use api::conditions::ConditionType;
use serde_json::{Value, json};
use tests::openbao::NAMESPACE;
use tests::scenario::Scenario;

/// Restores this key, and expects what was there at its time.
async fn comes_back(scenario: &Scenario<'_>, name: &str, key: &str, value: &str) {
    let output = cluster().kubectl(&["apply", "-f", "-"], Some(&scenario.request(name, key).to_string()));
    assert_eq!(output.code, 0, "{}", output.stderr);
    let phase = cluster()
        .eventually(&format!("{name} is finished"), ENDS_WITHIN, async || {
            let text = kubectl(&["get", "openbaorestore", name, "-n", NAMESPACE, "-o", "json"]);
            let object: Value = serde_json::from_str(&text).unwrap();
            let over =
                object["status"]["completionTime"].is_string() && object["metadata"]["finalizers"].is_null();
            over.then(|| object["status"].clone())
        })
        .await;
    assert_eq!(phase["phase"], "Completed", "{phase}");
    let read =
        cluster().eventually("OpenBao answers", ENDS_WITHIN, async || scenario.read().await.ok()).await;
    assert_eq!(read, value, "{name} of {key}");
}

/// Bug: any way of making a backup that makes none, or one that is not what was there.
#[tokio::test]
async fn each_way_makes_a_backup_that_brings_its_time_back() {
    let scenario = solo().await;
    // Other tests back the same cluster up.
    let before = status()["lastBackupName"].as_str().map(str::to_owned);
    scenario.write("one").await.unwrap();
    make_manually("manual-backup-1").await;
    let one = backed_up(before.as_deref()).await;
    kubectl(&[
        "wait",
        "job",
        "manual-backup-1",
        "-n",
        NAMESPACE,
        "--for=condition=Complete",
        "--timeout=60s",
    ]);

    scenario.write("two").await.unwrap();
    let annotation = "openbao.org/trigger-backup=monday";
    kubectl(&["annotate", "openbaocluster", "solo", "-n", NAMESPACE, "--overwrite", annotation]);
    let two = backed_up(Some(&one)).await;
    assert_eq!(status()["lastTrigger"], "monday");

    scenario.write("three").await.unwrap();
    scenario.patch(&json!({"spec": {"version": "9.9.9", "upgrade": {"preUpgradeSnapshot": true}}})).unwrap();
    let three = backed_up(Some(&two)).await;
    let wait = ["wait", "openbaocluster", "solo", "-n", NAMESPACE, "--for=condition=PreUpgradeSnapshotReady"];
    kubectl(&[&wait[..], &["--timeout=60s"]].concat());
    assert_eq!(
        (&status()["preUpgrade"]["targetVersion"], &status()["preUpgrade"]["key"]),
        (&json!("9.9.9"), &json!(three))
    );
    scenario.patch(&json!({"spec": {"version": null, "upgrade": null}})).unwrap();

    scenario.write("four").await.unwrap();
    scenario.patch(&json!({"spec": {"backup": {"schedule": "* * * * *"}}})).unwrap();
    until("the next run is told", |status| status["backup"]["nextScheduledBackup"].as_str().map(|_| ()))
        .await;
    let four = backed_up(Some(&three)).await;
    scenario.patch(&json!({"spec": {"backup": {"schedule": null}}})).unwrap();
    assert!(status()["lastAttemptScheduledTime"].is_string(), "{}", status());
    assert_eq!(condition(ConditionType::BackupHealthy), ("True".to_owned(), "BackupMade".to_owned()));

    scenario.write("five").await.unwrap();
    for (name, key, value) in [
        ("to-two", &two, "two"),
        ("to-four", &four, "four"),
        ("to-one", &one, "one"),
        ("to-three", &three, "three"),
    ] {
        comes_back(&scenario, name, key, value).await;
    }
}
