//! The lock serialises: backups of one cluster, and backups with restores.

use crate::site::{Site, failed_with};
use crate::support::{cluster, kubectl};
use api::conditions::{ConditionType, Reason};
use api::task::TaskKind;
use api::{OpenBaoCluster, Phase, names};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tests::operator::RELEASE;
use tests::rehearsal::{phase, reason};
use tests::stub::{Conductor, Order, Step};

const TOGETHER: usize = 10;

/// Who held the lock of each cluster of the namespace, one after the other; panics where one took it from another of ours.
fn holders(namespace: &str) -> BTreeMap<String, Vec<String>> {
    let mut now: BTreeMap<String, String> = BTreeMap::new();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in cluster().audit() {
        let object = &event["objectRef"];
        let is_status = object["resource"] == "openbaoclusters" && object["subresource"] == "status";
        let patch = &event["requestObject"]["status"];
        let is_ours = is_status && object["namespace"] == namespace && event["responseStatus"]["code"] == 200;
        if !is_ours || patch.get("operationLock").is_none() {
            continue;
        }
        let name = object["name"].as_str().unwrap().to_owned();
        match patch["operationLock"]["holder"].as_str() {
            None => drop(now.remove(&name)),
            Some(holder) => {
                let before = now.insert(name.clone(), holder.to_owned());
                assert_eq!(before, None, "{name}: {holder} took the lock of another");
                all.entry(name).or_default().push(holder.to_owned());
            }
        }
    }
    all
}

/// Bug: clusters wait for each other, or one is backed up twice in its minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_clusters_are_backed_up_in_the_same_minute() {
    let site = Site::begin("together").await;
    site.rehearsal.conductor().hold(TaskKind::Backup, Step::Report);
    let names: Vec<String> = (0..TOGETHER).map(|number| format!("c-{number}")).collect();
    for name in &names {
        site.add(name, "* * * * *").await;
    }
    site.asked(Step::Report, TOGETHER).await;
    for name in &names {
        let suspend = json!({"spec": {"backup": {"suspend": true}}});
        let clusters = site.rehearsal.api::<OpenBaoCluster>();
        clusters.patch(name, &PatchParams::default(), &Patch::Merge(suspend)).await.unwrap();
    }
    site.rehearsal.conductor().order(TaskKind::Backup, Step::Report, Order::Go);
    for name in &names {
        let made = async || {
            let status = site.status_of(name).await;
            (status["backup"]["lastBackupName"].is_string() && status["operationLock"].is_null())
                .then_some(status)
        };
        let status = site.rehearsal.eventually(&format!("{name} is backed up"), made).await;
        assert_eq!(status["backup"]["consecutiveFailures"], 0, "{status}");
    }
    let holders = holders(site.rehearsal.namespace());
    assert_eq!(holders.len(), TOGETHER, "{holders:?}");
}

/// Bug: a backup and a restore work on a cluster at the same time, in one order or the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_and_a_restore_wait_for_each_other() {
    let site = Site::begin("meets").await;
    let conductor = site.rehearsal.conductor();
    conductor.hold(TaskKind::Backup, Step::Report);
    site.make("manual-1").await;
    site.asked(Step::Report, 1).await;
    site.rehearsal.create(&site.rehearsal.request("first")).await.unwrap();
    let waits =
        |it: &api::OpenBaoRestore| reason(it, ConditionType::LockHeld) == Reason::LockHeldByOther.as_str();
    site.rehearsal.until("first", "waits for the backup", waits).await;
    assert!(conductor.posts().is_empty());
    conductor.hold(TaskKind::Restore, Step::Post);
    conductor.order(TaskKind::Backup, Step::Report, Order::Go);
    conductor.asked(TaskKind::Restore, Step::Post, 1).await;

    site.make("manual-2").await;
    let suspended = async || {
        let job = site.rehearsal.api::<Job>().get("manual-2").await.unwrap();
        (job.spec?.suspend == Some(true)).then_some(())
    };
    site.rehearsal.eventually("the next backup waits", suspended).await;
    conductor.order(TaskKind::Restore, Step::Post, Order::Go);
    assert_eq!(phase(&site.rehearsal.end("first").await.request), Phase::Completed);
    site.asked(Step::Report, 2).await;
    site.until("both are made", |backup| backup["lastBackupName"].is_string()).await;
    assert_eq!(holders(site.rehearsal.namespace())["c"].len(), 3);
}

/// Bug: retention deletes the backup that a rehearsal in another namespace is just being given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_another_cluster_restores_is_protected() {
    let (site, other) = (Site::begin("source").await, Site::begin("rehearses").await);
    let key = format!("{}/{}/c/last-week.snap", site.rehearsal.conductor().key(), site.rehearsal.namespace());
    let mut request = other.rehearsal.request("rehearsal");
    request["spec"]["source"]["key"] = json!(key);
    site.rehearsal.conductor().hold(TaskKind::Check, Step::Report);
    other.rehearsal.create(&request).await.unwrap();
    site.rehearsal.conductor().hold(TaskKind::Backup, Step::Report);
    site.make("manual-1").await;
    site.asked(Step::Report, 1).await;
    let job = site.rehearsal.api::<Job>().get("manual-1").await.unwrap();
    let annotations = job.spec.unwrap().template.metadata.unwrap().annotations.unwrap();
    let task: Value = serde_json::from_str(&annotations[names::TASK]).unwrap();
    assert_eq!(task["backup"]["protected"], json!([key]), "{task}");
}

/// Bug: a restore that may override waits for a backup for a day, or leaves its Job or ticket behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_overrides_ends_the_backup_which_is_told_as_failed() {
    let site = Site::begin("overridden").await;
    let conductor = Conductor::start().await.unwrap();
    site.rehearsal.conductor().hold(TaskKind::Backup, Step::Report);
    site.make("manual-1").await;
    site.asked(Step::Report, 1).await;
    let mut request = site.rehearsal.request("override");
    request["spec"]["source"]["key"] = json!(conductor.key());
    request["spec"]["force"] = json!(true);
    request["spec"]["overrideOperationLock"] = json!(true);
    site.rehearsal.create(&request).await.unwrap();
    assert_eq!(phase(&site.rehearsal.end("override").await.request), Phase::Completed);
    let told = |backup: &Value| failed_with(backup, "LockOverridden") || failed_with(backup, "JobDeleted");
    site.until("the backup is told as failed", told).await;
    let clean = async || site.left_over().await.is_empty().then_some(());
    site.rehearsal.eventually("its ticket and rights are gone", clean).await;
}

/// The name of the pod that leads.
fn leader() -> String {
    let path = "jsonpath={.spec.holderIdentity}";
    kubectl(&["get", "lease", "openbao-recovery-operator", "-n", RELEASE, "-o", path])
}

/// Bug: a leader that stood still gives the lock to one backup while its follower gives it to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stands_still_never_makes_two_holders() {
    let site = Site::begin("stalled").await;
    site.rehearsal.eventually("the CronJob is there", async || site.cron_job().await).await;
    let first = leader();
    cluster().fault(RELEASE, &first, "freeze");
    for name in ["manual-1", "manual-2", "manual-3"] {
        site.make(name).await;
    }
    let follows = async || (leader() != first).then_some(());
    site.rehearsal.eventually("another one leads", follows).await;
    site.asked(Step::Claim, 1).await;
    // It may have been replaced meanwhile: its probes fail.
    let _ = cluster().try_fault(RELEASE, &first, "thaw");
    site.asked(Step::Report, 3).await;
    let ended = async || {
        let jobs = site.rehearsal.api::<Job>().list(&ListParams::default()).await.unwrap();
        let complete = |job: &&Job| job.status.as_ref().is_some_and(|status| status.succeeded == Some(1));
        (jobs.iter().filter(complete).count() == 3).then_some(())
    };
    site.rehearsal.eventually("all three are made", ended).await;
    site.until("the lock is free", |backup| backup["lastBackupName"].is_string()).await;
    assert_eq!(holders(site.rehearsal.namespace())["c"].len(), 3);
    assert!(site.jobs().await.iter().all(|job| job.name_any().starts_with("manual-")));
}
