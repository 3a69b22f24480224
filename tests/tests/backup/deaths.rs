//! Somebody dies in the middle of a backup: the lock is free soon after, the failure is counted once, and the next one
//! works.

use crate::site::Site;
use crate::support::{cluster, kubectl};
use api::task::{Outcome, TaskKind};
use serde_json::Value;
use tests::stub::{Order, Step};

/// A backup that has claimed its ticket and has not ended.
pub(crate) async fn at_work(prefix: &str) -> (Site, String) {
    let site = Site::begin(prefix).await;
    site.rehearsal.conductor().hold(TaskKind::Backup, Step::Report);
    site.make("manual-1").await;
    let pod = site.asked(Step::Report, 1).await;
    assert!(site.lock().await.unwrap().holder.starts_with("openbao-recovery/backup/manual-1/"));
    (site, pod)
}

/// The failure is told with a reason that begins so and counted once, the lock is free, and the next backup works.
pub(crate) async fn fails_once(site: &Site, reason: &str) {
    let is_told =
        |backup: &Value| backup["lastFailureReason"].as_str().is_some_and(|text| text.starts_with(reason));
    let backup = site.freed("the failure is told and the lock free", is_told).await;
    assert_eq!(backup["consecutiveFailures"], 1, "{backup}");
    goes_on(site).await;
}

/// The next backup goes well, and nothing of the first is left.
pub(crate) async fn goes_on(site: &Site) {
    site.rehearsal.conductor().order(TaskKind::Backup, Step::Report, Order::Go);
    site.make("manual-2").await;
    let backup = site.until("the next one is made", |backup| backup["lastBackupName"].is_string()).await;
    assert_eq!(backup["consecutiveFailures"], 0);
    let clean = async || site.left_over().await.is_empty().then_some(());
    site.rehearsal.eventually("tickets and rights are gone", clean).await;
}

/// Bug: a lock that nobody gives back, or a failure that is not counted or twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_killed_is_a_failure_and_frees_the_lock() {
    let (site, pod) = at_work("killed-pod").await;
    site.fault(&pod, "kill").await;
    fails_once(&site, "JobFailed:").await;
}

/// Bug: a node that is lost with its pod keeps the lock after somebody has said that the pod is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_node_is_waited_for_until_its_pod_is_gone() {
    let (site, pod) = at_work("lost-pod").await;
    site.fault(&pod, "lose").await;
    site.collected(&pod).await;
    fails_once(&site, "").await;
}

/// Bug: a Job that somebody deletes is made anew, or its lock is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_deleted_is_a_failure() {
    let (site, _) = at_work("deleted-job").await;
    kubectl(&["delete", "job", "manual-1", "-n", site.rehearsal.namespace()]);
    fails_once(&site, "JobDeleted:").await;
}

/// Bug: an operator that begins anew counts twice, forgets what runs, or makes a second backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_that_are_killed_are_followed_by_others() {
    let (site, _) = at_work("killed-operators").await;
    tests::operator::kill_all(cluster()).unwrap();
    site.rehearsal.conductor().order(TaskKind::Backup, Step::Report, Order::End(Outcome::Failed));
    fails_once(&site, "").await;
    assert_eq!(site.jobs().await.len(), 2);
}
