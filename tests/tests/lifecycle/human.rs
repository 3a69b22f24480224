//! What a human says by an annotation: give it up, or this is what became of it.

use crate::support::rehearsal;
use api::conditions::{ConditionType, Reason};
use api::task::{Outcome, TaskKind};
use api::{OpenBaoCluster, OpenBaoRestore, Phase, names};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use tests::rehearsal::{CLUSTER, Rehearsal, condition, is_freed, is_unknown, phase, reason};
use tests::stub::{Order, Step};

const NAME: &str = "dr";

async fn say(rehearsal: &Rehearsal, annotation: &str, value: &str) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
    rehearsal.api::<OpenBaoRestore>().patch(NAME, &PatchParams::default(), &patch).await.unwrap();
}

/// A request that is held before a step.
async fn held(prefix: &str, kind: TaskKind, step: Step) -> (Rehearsal, String) {
    let rehearsal = rehearsal(prefix).await;
    rehearsal.conductor().hold(kind, step);
    let request = rehearsal.create(&rehearsal.request(NAME)).await.unwrap();
    rehearsal.conductor().asked(kind, step, 1).await;
    (rehearsal, request.uid().unwrap())
}

/// What `status.restores` of the cluster says.
async fn recorded(rehearsal: &Rehearsal) -> Vec<String> {
    let cluster = rehearsal.api::<OpenBaoCluster>().get(CLUSTER).await.unwrap();
    cluster.status.unwrap_or_default().restores.into_iter().map(|record| record.outcome).collect()
}

/// Waits until it has failed because it was abandoned, and nothing of it runs.
async fn abandoned(rehearsal: &Rehearsal, applied: &str) {
    let over = rehearsal.until(NAME, "is over", is_freed).await;
    assert_eq!(
        (phase(&over), reason(&over, ConditionType::Finished)),
        (Phase::Failed, Reason::Abandoned.as_str())
    );
    assert_eq!(condition(&over, ConditionType::Applied).unwrap().status, applied);
    assert_eq!(rehearsal.lock().await, None);
    let running = ListParams::default().fields("status.phase=Running");
    assert!(rehearsal.api::<Pod>().list(&running).await.unwrap().items.is_empty());
}

/// Bug: an abandoned request posts all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_abandoned_before_it_acts() {
    for (kind, step) in [(TaskKind::Check, Step::Report), (TaskKind::Restore, Step::Claim)] {
        let (rehearsal, uid) = held("abandon", kind, step).await;
        say(&rehearsal, names::ABANDON, &uid).await;
        abandoned(&rehearsal, "False").await;
        rehearsal.conductor().order(kind, step, Order::Go);
        assert!(rehearsal.conductor().posts().is_empty() && recorded(&rehearsal).await.is_empty());
    }
}

/// Bug: the lock goes while the pod still runs, or the end claims to know what nobody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_abandoned_after_its_claim_ends_in_doubt() {
    let (rehearsal, uid) = held("abandon", TaskKind::Restore, Step::Post).await;
    say(&rehearsal, names::ABANDON, &uid).await;
    let is_ending = async || {
        let pods = rehearsal.api::<Pod>().list(&ListParams::default()).await.unwrap();
        pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()).then_some(())
    };
    rehearsal.eventually("its pod is told to end", is_ending).await;
    assert!(rehearsal.lock().await.is_some(), "the pod still runs");
    assert_eq!(phase(&rehearsal.stored(NAME).await.unwrap()), Phase::Running);
    rehearsal.conductor().order(TaskKind::Restore, Step::Post, Order::Die);
    abandoned(&rehearsal, "Unknown").await;
    assert_eq!(recorded(&rehearsal).await, ["unknown"]);
}

/// A restore whose executor has said that it does not know, and a cluster that does not tell.
async fn in_doubt(prefix: &str) -> (Rehearsal, String) {
    let rehearsal = rehearsal(prefix).await;
    rehearsal.conductor().order(TaskKind::Restore, Step::Report, Order::End(Outcome::Unknown));
    rehearsal.conductor().order(TaskKind::Prove, Step::Report, Order::End(Outcome::Unknown));
    let request = rehearsal.create(&rehearsal.request(NAME)).await.unwrap();
    rehearsal.until(NAME, "is in doubt", is_unknown).await;
    rehearsal
        .eventually("it is recorded", async || (recorded(&rehearsal).await == ["unknown"]).then_some(()))
        .await;
    assert!(rehearsal.lock().await.is_some_and(|lock| lock.is_ours()));
    (rehearsal, request.uid().unwrap())
}

/// Bug: the word of a human about another request counts, or a wrong word frees the lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_in_doubt_is_settled_by_a_human() {
    for (word, ended, records) in
        [("applied", Phase::Completed, &["applied"][..]), ("not-applied", Phase::Failed, &[])]
    {
        let (rehearsal, uid) = in_doubt("settle").await;
        for other in [format!("not-its-uid/{word}"), format!("{uid}/perhaps")] {
            say(&rehearsal, names::OUTCOME, &other).await;
        }
        rehearsal.conductor().asked(TaskKind::Prove, Step::Report, 1).await;
        assert!(is_unknown(&rehearsal.stored(NAME).await.unwrap()));
        say(&rehearsal, names::OUTCOME, &format!("{uid}/{word}")).await;
        let settled = rehearsal.until(NAME, "is settled", is_freed).await;
        assert_eq!(
            (phase(&settled), reason(&settled, ConditionType::Finished)),
            (ended, Reason::Settled.as_str())
        );
        assert_eq!(recorded(&rehearsal).await, records);
        assert_eq!(rehearsal.lock().await, None);
    }
}

/// Bug: a restore whose pod is gone stays in doubt though the cluster could tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_nobody_reported_is_proved_by_the_cluster() {
    let rehearsal = rehearsal("prove").await;
    rehearsal.conductor().order(TaskKind::Restore, Step::Report, Order::Die);
    rehearsal.create(&rehearsal.request(NAME)).await.unwrap();
    let over = rehearsal.until(NAME, "is over", is_freed).await;
    assert_eq!(
        (phase(&over), reason(&over, ConditionType::Applied)),
        (Phase::Completed, Reason::Proved.as_str())
    );
    assert_eq!((recorded(&rehearsal).await, rehearsal.lock().await), (vec!["applied".to_owned()], None));
    assert_eq!(rehearsal.conductor().posts().len(), 1);
}
