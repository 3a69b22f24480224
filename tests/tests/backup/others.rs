//! Somebody else at the objects of a backup: people who edit them, and what has their names already.

use crate::deaths::{at_work, fails_once, goes_on};
use crate::site::{Site, failed_with};
use crate::support::{cluster, kubectl};
use api::OpenBaoCluster;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tests::harness::condition;
use tests::operator::RELEASE;
use tests::rehearsal::CLUSTER;

/// More than one thing takes; a loop without a pause takes hundreds within seconds.
const FEW: usize = 40;

/// Writes to objects of this kind in the namespace of the site, as far as the API server took them.
fn writes(site: &Site, resource: &str) -> usize {
    let is_meant = |event: &&Value| {
        let object = &event["objectRef"];
        let is_write = event["verb"] == "patch" && event["stage"] == "ResponseComplete";
        is_write && object["resource"] == resource && object["namespace"] == site.rehearsal.namespace()
    };
    cluster().audit().iter().filter(is_meant).count()
}

/// Waits until the operator has renewed that it leads: seconds.
async fn a_lease_passes(site: &Site) {
    let path = "jsonpath={.spec.renewTime}";
    let renewed = || kubectl(&["get", "lease", "openbao-recovery-operator", "-n", RELEASE, "-o", path]);
    let before = renewed();
    site.rehearsal.eventually("some seconds pass", async || (renewed() != before).then_some(())).await;
}

/// Bug: whoever may make Jobs has the operator use, or delete, a Role of somebody else that has the name of the Job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_somebody_else_is_left_as_it_is() {
    let site = Site::begin("role").await;
    let namespace = site.rehearsal.namespace();
    kubectl(&["create", "role", "manual-1", "--verb=get", "--resource=pods", "-n", namespace]);
    site.make("manual-1").await;
    let backup = site.until("it is told", |backup| failed_with(backup, "LeftoverExists")).await;
    assert_eq!(backup["consecutiveFailures"], 1, "{backup}");
    goes_on(&site).await;
    let rules =
        kubectl(&["get", "role", "manual-1", "-n", namespace, "-o", "jsonpath={.rules[*].resources}"]);
    assert_eq!(rules, "[\"pods\"]");
}

/// Bug: a Job that somebody suspends in the middle of its work keeps the lock for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_suspended_at_work_is_ended() {
    let (site, _) = at_work("suspended").await;
    let suspend = r#"{"spec":{"suspend":true}}"#;
    kubectl(&["patch", "job", "manual-1", "-n", site.rehearsal.namespace(), "--type=merge", "-p", suspend]);
    fails_once(&site, "").await;
}

/// Bug: an edit of the `CronJob` stays, and its Jobs begin without the lock; or it is put right again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_cron_job_is_put_right_once() {
    let site = Site::begin("edited").await;
    site.rehearsal.eventually("the CronJob is there", async || site.cron_job().await).await;
    let edit = json!({"spec": {
        "concurrencyPolicy": "Allow", "timeZone": "Europe/Berlin", "jobTemplate": {"spec": {"suspend": false}}
    }});
    let namespace = site.rehearsal.namespace();
    kubectl(&["patch", "cronjob", "c-backup", "-n", namespace, "--type=merge", "-p", &edit.to_string()]);
    // Changes of the cluster are seen at once, those of its CronJob within a minute.
    site.patch(&json!({"metadata": {"annotations": {"looked-at": "yes"}}})).await;
    let right = async || {
        let spec = site.cron_job().await?.spec?;
        let is_right = spec.concurrency_policy.as_deref() == Some("Forbid")
            && spec.time_zone.as_deref() == Some("Etc/UTC")
            && spec.job_template.spec?.suspend == Some(true);
        is_right.then_some(())
    };
    site.rehearsal.eventually("the CronJob is as it was", right).await;
    goes_on(&site).await;
    assert!(writes(&site, "cronjobs") < FEW, "{}", writes(&site, "cronjobs"));
}

/// Bug: another controller is forgotten as soon as we have said that it is there, and both make backups.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_controller_is_waited_for_as_long_as_it_is_there() {
    let site = Site::begin("beside").await;
    let is_suspended = async |schedule: &str| {
        let spec = site.cron_job().await?.spec?;
        (spec.schedule == schedule).then_some(spec.suspend == Some(true))
    };
    let followed = async |schedule: &str| {
        site.patch(&json!({"spec": {"backup": {"schedule": schedule}}})).await;
        let what = format!("the CronJob has the schedule {schedule}");
        site.rehearsal.eventually(&what, async || is_suspended(schedule).await).await
    };
    assert!(!followed("0 3 * * *").await);
    tests::reference::report_backup(&site.rehearsal.api(), CLUSTER).await.unwrap();
    let told = async || {
        let object = json!({"status": site.status_of(CLUSTER).await});
        (condition(&object, "BackupScheduled")["reason"] == "ForeignController").then_some(())
    };
    site.rehearsal.eventually("it is told", told).await;
    for schedule in ["0 4 * * *", "0 5 * * *", "0 6 * * *"] {
        let makes_none = async || (is_suspended(schedule).await == Some(true)).then_some(());
        followed(schedule).await;
        site.rehearsal.eventually("no Job is made", makes_none).await;
        assert!(told().await.is_some());
    }
}

/// Bug: what another manager has written into the status, and we leave out, is taken away again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_manager_says_is_let_be() {
    let site = Site::begin("manager").await;
    let theirs = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": {"name": CLUSTER},
        "status": {"conditions": [{
            "type": "PreUpgradeSnapshotReady", "status": "True", "reason": "Theirs", "message": "",
            "lastTransitionTime": "2026-03-20T03:00:00Z",
        }]},
    });
    let clusters = site.rehearsal.api::<OpenBaoCluster>();
    clusters.patch_status(CLUSTER, &PatchParams::apply("theirs"), &Patch::Apply(&theirs)).await.unwrap();
    goes_on(&site).await;
    for _ in 0..3 {
        a_lease_passes(&site).await;
    }
    assert!(writes(&site, "openbaoclusters") < FEW, "{}", writes(&site, "openbaoclusters"));
}
