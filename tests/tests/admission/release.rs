//! A backup's Job, born suspended, is resumed by who may release it; every other Job by everybody.

use crate::people::{Person, Right, administer, admitted, refused};
use crate::support::{RELEASE, cluster, undisturbed};
use serde_json::{Value, json};

/// A suspended Job that would make no pod if it were resumed.
fn job(namespace: &str, name: &str, account: Option<&str>) -> Value {
    let mut pod = json!({"restartPolicy": "Never", "containers": [{"name": "executor", "image": "openbao-recovery:local"}]});
    if let Some(account) = account {
        pod["serviceAccountName"] = json!(account);
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": {"openbao.org/component": "backup"}},
        "spec": {"suspend": true, "parallelism": 0, "template": {"spec": pod}}
    })
}

fn resumed(mut job: Value) -> Value {
    job["spec"]["suspend"] = json!(false);
    job
}

#[tokio::test]
async fn a_backup_waits_for_who_may_release_it() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("release");
    let backup = job(&namespace, "c-backup-1", Some("c-backup-serviceaccount"));
    for job in [&backup, &job(&namespace, "another", Some("default")), &job(&namespace, "nobody", None)] {
        administer(&["apply", "--server-side", "--field-manager=cron", "-f", "-"], Some(job));
    }
    let frank = Person::with("frank", &namespace, &[Right::to(&["get", "update", "patch"], "jobs")]).await;
    let resume = json!({"spec": {"suspend": false}});
    let gone = json!({"spec": {"suspend": null}});
    let unlabelled = json!({"metadata": {"labels": null}, "spec": {"suspend": false}});
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let tried = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];

    let tells = ["spec.suspend:", "frank", "release-backup on openbaoclusters/c ", "jobs/c-backup-1"];
    for patch in [&resume, &gone, &unlabelled] {
        refused(&frank.merge("job", "c-backup-1", &[], patch), &tells);
        refused(&frank.merge("job", "c-backup-1", &["--dry-run=server"], patch), &tells);
    }
    refused(&frank.kubectl(&apply, Some(&resumed(backup.clone()))), &tells);
    refused(&frank.kubectl(&tried, Some(&resumed(backup.clone()))), &tells);
    admitted(&frank.merge("job", "c-backup-1", &[], &json!({"metadata": {"labels": {"team": "a"}}})));
    for other in ["another", "nobody"] {
        admitted(&frank.merge("job", other, &[], &resume));
    }

    frank.may(&[Right::on_cluster("release-backup", "c")]).await;
    admitted(&frank.merge("job", "c-backup-1", &["--dry-run=server"], &resume));
    admitted(&frank.kubectl(&tried, Some(&resumed(backup))));
    let operator = Person {
        name: format!("system:serviceaccount:{RELEASE}:openbao-recovery-operator"),
        namespace: namespace.clone(),
    };
    admitted(&operator.merge("job", "c-backup-1", &["--dry-run=server"], &resume));
    admitted(&frank.merge("job", "c-backup-1", &[], &resume));
}
