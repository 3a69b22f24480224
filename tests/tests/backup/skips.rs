//! A time of the schedule at which the cluster is not free.

use crate::site::Site;
use serde_json::json;
use tests::reference;
use tests::rehearsal::CLUSTER;

/// Bug: a skipped Job is made anew at once and skipped again, for ever; it counts as a failure; or the schedule stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_is_skipped_once_and_the_next_one_is_taken() {
    let site = Site::begin("skips").await;
    reference::take_lock(&site.rehearsal.api(), CLUSTER, "Upgrade", reference::UPGRADE).await.unwrap();
    site.patch(&json!({"spec": {"backup": {"schedule": "* * * * *"}}})).await;
    let skipped = async || {
        let backup = site.status_of(CLUSTER).await["backup"].clone();
        backup["lastSkippedTime"].is_string().then_some(backup)
    };
    let backup = site.rehearsal.eventually("a time is skipped", skipped).await;
    assert!(backup["lastSkipReason"].as_str().unwrap().contains(reference::UPGRADE), "{backup}");
    assert_eq!(backup["consecutiveFailures"], 0);
    let gone = async || site.jobs().await.is_empty().then_some(());
    site.rehearsal.eventually("its Job is gone", gone).await;
    let slot = backup["lastSkippedTime"].clone();
    let free = json!({"status": {"operationLock": null}});
    let clusters = site.rehearsal.api::<api::OpenBaoCluster>();
    let params = kube::api::PatchParams::default();
    clusters.patch_status(CLUSTER, &params, &kube::api::Patch::Merge(free)).await.unwrap();
    let backup = site.until("the next time is taken", |backup| backup["lastBackupName"].is_string()).await;
    site.patch(&json!({"spec": {"backup": {"suspend": true}}})).await;
    assert_eq!(backup["lastSkippedTime"], slot, "one time was skipped, and not more");
}
