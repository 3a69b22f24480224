//! One cluster for all, with the chart's own operators; a namespace for each rehearsal.

use api::OpenBaoCluster;
use api::conditions::{Condition, ConditionType};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use tests::harness::Cluster;
use tests::rehearsal::{CLUSTER, Rehearsal};

pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(env!("CARGO_BIN_EXE_cluster"), "lifecycle", "none")
}

pub(crate) async fn rehearsal(prefix: &str) -> Rehearsal {
    Rehearsal::begin(cluster(), prefix).await.unwrap()
}

/// Plays every case, a few at once: most of each is waiting. All are played to their end before the first that failed
/// is told.
pub(crate) async fn play<C: Copy + Debug>(cases: Vec<C>, lanes: usize, case: impl AsyncFn(C)) {
    let case = &case;
    let failed: Vec<C> = futures::stream::iter(cases)
        .map(async |it| AssertUnwindSafe(case(it)).catch_unwind().await.err().map(|_| it))
        .buffer_unordered(lanes)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failed.is_empty(), "these failed, as told above: {failed:?}");
}

/// Somebody has the lock of the cluster from now on, or nobody.
pub(crate) async fn set_lock(rehearsal: &Rehearsal, operation: &str, holder: Option<&str>) {
    let lock = holder.map(|holder| json!({"operation": operation, "holder": holder}));
    set_status(rehearsal, &json!({"operationLock": lock})).await;
}

/// As administrator.
pub(crate) async fn set_status(rehearsal: &Rehearsal, status: &Value) {
    let patch = Patch::Merge(json!({"status": status}));
    let clusters = rehearsal.api::<OpenBaoCluster>();
    clusters.patch_status(CLUSTER, &PatchParams::default(), &patch).await.unwrap();
}

pub(crate) async fn condition_of_cluster(rehearsal: &Rehearsal, kind: ConditionType) -> Option<Condition> {
    let cluster = rehearsal.api::<OpenBaoCluster>().get(CLUSTER).await.unwrap();
    cluster.status?.conditions.into_iter().find(|condition| condition.type_ == kind.as_str())
}

/// Type and note of the events of a reason on the cluster.
pub(crate) async fn told_of_cluster(rehearsal: &Rehearsal, reason: &str) -> Vec<(String, String)> {
    let events = rehearsal.api::<Event>().list(&ListParams::default()).await.unwrap();
    let of_cluster = events.iter().filter(|event| {
        let about = event.regarding.as_ref().and_then(|about| about.kind.as_deref());
        about == Some("OpenBaoCluster") && event.reason.as_deref() == Some(reason)
    });
    of_cluster
        .map(|event| (event.type_.clone().unwrap_or_default(), event.note.clone().unwrap_or_default()))
        .collect()
}
