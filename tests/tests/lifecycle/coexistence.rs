//! Another controller on the same cluster, and the lock of another: the reference operator's own patches are replayed.

use crate::support::{condition_of_cluster, rehearsal, set_lock, told_of_cluster};
use api::Phase;
use api::conditions::{ConditionType, Reason};
use api::task::TaskKind;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use tests::reference;
use tests::rehearsal::{CLUSTER, Rehearsal, phase, reason};
use tests::stub::{Conductor, Order, Step};

const NAME: &str = "dr";

async fn reference_takes_lock(rehearsal: &Rehearsal, operation: &str, holder: &str) {
    reference::take_lock(&rehearsal.api(), CLUSTER, operation, holder).await.unwrap();
}

async fn is_told_of_and_waited_for(rehearsal: &Rehearsal) {
    let told = async || {
        let condition = condition_of_cluster(rehearsal, ConditionType::ForeignController).await?;
        (condition.status == "True").then_some(condition)
    };
    let condition = rehearsal.eventually("the other controller is told of", told).await;
    assert_eq!(condition.reason, Reason::ForeignController.as_str());
    rehearsal.create(&rehearsal.request(NAME)).await.unwrap();
    let waits = rehearsal
        .until(NAME, "waits", |it| {
            reason(it, ConditionType::ClusterResolved) == Reason::ForeignController.as_str()
        })
        .await;
    assert_eq!(phase(&waits), Phase::Pending);
    assert!(rehearsal.left_over().await.is_empty(), "no Job while another controller is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_controller_that_backs_up_is_told_of_and_waited_for() {
    let rehearsal = rehearsal("foreign").await;
    reference::report_backup(&rehearsal.api(), CLUSTER).await.unwrap();
    is_told_of_and_waited_for(&rehearsal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_controller_that_holds_a_lock_is_told_of_and_waited_for() {
    let rehearsal = rehearsal("foreign").await;
    reference_takes_lock(&rehearsal, "Restore", "openbaorestore/dr").await;
    is_told_of_and_waited_for(&rehearsal).await;
}

/// A request that takes the lock from whoever holds it.
fn overriding(rehearsal: &Rehearsal, conductor: &Conductor) -> Value {
    let mut request = rehearsal.request("override");
    request["spec"]["source"]["key"] = json!(conductor.key());
    request["spec"]["force"] = json!(true);
    request["spec"]["overrideOperationLock"] = json!(true);
    request
}

/// It waits for somebody who may still act, and says so.
async fn overriding_waits(rehearsal: &Rehearsal) {
    let waits = |request: &api::OpenBaoRestore| {
        reason(request, ConditionType::LockHeld) == Reason::OverrideWaits.as_str()
    };
    rehearsal.until("override", "waits for the other", waits).await;
}

async fn overriding_completes(rehearsal: &Rehearsal, conductor: &Conductor, before: &str) {
    let end = rehearsal.end("override").await;
    assert_eq!(phase(&end.request), Phase::Completed, "{:?}", end.request.status);
    assert_eq!((conductor.posts().len(), end.lock), (1, None));
    let told = told_of_cluster(rehearsal, Reason::LockOverridden.as_str()).await;
    assert!(told.iter().any(|(kind, note)| kind == "Warning" && note.contains(before)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_an_upgrade_is_overridden_when_asked_to() {
    let rehearsal = rehearsal("override").await;
    reference_takes_lock(&rehearsal, "Upgrade", reference::UPGRADE).await;
    rehearsal.create(&overriding(&rehearsal, rehearsal.conductor())).await.unwrap();
    overriding_completes(&rehearsal, rehearsal.conductor(), reference::UPGRADE).await;
}

/// Bug: both restores post.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_has_not_acted_is_fenced_before_its_lock_is_overridden() {
    let (rehearsal, conductor) = (rehearsal("override").await, Conductor::start().await.unwrap());
    rehearsal.conductor().hold(TaskKind::Restore, Step::Claim);
    rehearsal.create(&rehearsal.request(NAME)).await.unwrap();
    rehearsal.conductor().asked(TaskKind::Restore, Step::Claim, 1).await;
    rehearsal.create(&overriding(&rehearsal, &conductor)).await.unwrap();
    overriding_completes(&rehearsal, &conductor, NAME).await;
    rehearsal.conductor().order(TaskKind::Restore, Step::Claim, Order::Go);
    let fenced = rehearsal.end(NAME).await;
    assert_eq!(reason(&fenced.request, ConditionType::Applied), Reason::LockOverridden.as_str());
    fenced.judge().unwrap();
}

/// Bug: a restore begins while another one sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_waits_for_a_restore_that_has_claimed() {
    let (rehearsal, conductor) = (rehearsal("override").await, Conductor::start().await.unwrap());
    rehearsal.conductor().hold(TaskKind::Restore, Step::Post);
    rehearsal.create(&rehearsal.request(NAME)).await.unwrap();
    rehearsal.conductor().asked(TaskKind::Restore, Step::Post, 1).await;
    rehearsal.create(&overriding(&rehearsal, &conductor)).await.unwrap();
    overriding_waits(&rehearsal).await;
    assert!(conductor.posts().is_empty());
    rehearsal.conductor().order(TaskKind::Restore, Step::Post, Order::Go);
    assert_eq!(phase(&rehearsal.end(NAME).await.request), Phase::Completed);
    // What it was checked for is no longer there.
    let end = rehearsal.end("override").await;
    assert_eq!((phase(&end.request), conductor.posts().len(), end.lock), (Phase::Failed, 0, None));
    assert_eq!(rehearsal.conductor().posts().len(), 1);
}

/// A backup of ours at work, as far as lock and Job go; its pod ends when it is told to.
async fn backup(rehearsal: &Rehearsal) -> String {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "c-backup-1"},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 60,
            "containers": [{"name": "executor", "image": tests::stub::IMAGE,
                            "command": ["/bin/sh", "-c", "trap 'sleep 2; exit 0' TERM; sleep 600 & wait"]}],
        }}},
    });
    let job: Job = serde_json::from_value(job).unwrap();
    let job = rehearsal.api::<Job>().create(&PostParams::default(), &job).await.unwrap();
    let running = async || {
        let pods =
            rehearsal.api::<Pod>().list(&ListParams::default().fields("status.phase=Running")).await.unwrap();
        (!pods.items.is_empty()).then_some(())
    };
    rehearsal.eventually("the backup runs", running).await;
    let holder = api::Operation::Backup.holder(&job.name_any(), &job.uid().unwrap());
    set_lock(rehearsal, "Backup", Some(&holder)).await;
    holder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_ours_is_ended_before_its_lock_is_overridden() {
    let rehearsal = rehearsal("override").await;
    let holder = backup(&rehearsal).await;
    rehearsal.create(&overriding(&rehearsal, rehearsal.conductor())).await.unwrap();
    overriding_completes(&rehearsal, rehearsal.conductor(), &holder).await;
    assert!(rehearsal.api::<Job>().get_opt("c-backup-1").await.unwrap().is_none());
}

/// Bug: a cluster that can never be restored or backed up again, because nobody gives the lock back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_ours_whose_owner_is_gone_is_cleared() {
    for holder in ["openbao-recovery/restore/gone/1234", "openbao-recovery/backup/gone/1234"] {
        let rehearsal = rehearsal("orphan").await;
        set_lock(&rehearsal, "Restore", Some(holder)).await;
        let cleared = async || rehearsal.lock().await.is_none().then_some(());
        rehearsal.eventually("the lock is cleared", cleared).await;
        let told = async || told_of_cluster(&rehearsal, Reason::OwnerGone.as_str()).await.pop();
        let (kind, note) = rehearsal.eventually("it is told", told).await;
        assert!(kind == "Warning" && note.contains(holder), "{kind} {note}");
    }
}

/// Bug: somebody else's lock is cleared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_somebody_else_stays() {
    let rehearsal = rehearsal("orphan").await;
    reference_takes_lock(&rehearsal, "Upgrade", reference::UPGRADE).await;
    rehearsal.create(&rehearsal.request(NAME)).await.unwrap();
    let waits = |request: &api::OpenBaoRestore| {
        reason(request, ConditionType::LockHeld) == Reason::LockHeldByOther.as_str()
    };
    rehearsal.until(NAME, "waits for the lock", waits).await;
    assert_eq!(rehearsal.lock().await.unwrap().holder, reference::UPGRADE);
}
