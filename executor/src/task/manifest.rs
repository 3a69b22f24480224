//! What a backup wrote about its snapshot, held against the snapshot and against the cluster.

use crate::args::Args;
use crate::dial::Guard;
use crate::openbao::Leader;
use crate::report::Findings;
use crate::steps;
use crate::storage;
use crate::transfer::{TransferError, read_small};
use api::conditions::{ConditionType, Reason};
use api::task::{Origin, SnapshotMarker, Task};
use archive::{Manifest, Summary, keys};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

/// Most bytes of a manifest; one is a few hundred.
const MOST: u64 = 64 * 1024;

/// The manifest of the snapshot, if there is one, and whether it speaks of this snapshot.
pub(super) async fn read(task: &Task, args: &Args, summary: &Summary) -> (Findings, Option<Manifest>) {
    let stage = ConditionType::SnapshotVerified;
    let store = match storage::open(&task.target, &args.mounts.join("storage"), &Guard::of(args)) {
        Ok(store) => store,
        Err(error) => return (Findings::of(task, stage, &error), None),
    };
    let key = keys::manifest(&task.key);
    let manifest = match read_small(Arc::new(store), &key, MOST).await {
        Ok(Some(bytes)) => compare(&key, &bytes, summary).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let mut findings = Findings::default();
    let told = match &manifest {
        Err(error) => return (Findings::of(task, stage, error), None),
        Ok(Some(_)) => "Its manifest says the same.",
        Ok(None) => "It has no manifest.",
    };
    findings.stage(stage, Some(true), Reason::Verified, told.to_owned());
    (findings, manifest.unwrap_or_default())
}

/// By what a cluster can prove that it has this snapshot's data: its marker says nothing without the cluster it is of.
pub(super) fn origin(manifest: &Manifest) -> Option<Origin> {
    let (cluster_id, marker) = (manifest.cluster_id.clone()?, manifest.marker.as_ref()?);
    let (created, expires) = (Time(marker.creation_time), Time(marker.expires()));
    Some(Origin { cluster_id, marker: SnapshotMarker { token: marker.token.clone(), created, expires } })
}

fn compare(key: &str, bytes: &[u8], summary: &Summary) -> Result<Manifest, TransferError> {
    let wrong = |fault| TransferError::Manifest { key: key.to_owned(), fault };
    let manifest = Manifest::parse(bytes).map_err(|error| wrong(error.to_string()))?;
    match &manifest.differences(summary)[..] {
        [] => Ok(manifest),
        all => Err(wrong(all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
    }
}

/// Whether the snapshot is of this cluster, where both say which they are. Another one is no obstacle, but its leases are
/// revoked by whoever restores it.
pub(super) fn same_cluster(manifest: &Manifest, leader: &Leader) -> Findings {
    let stage = ConditionType::SameCluster;
    let mut findings = Findings::default();
    let (Some(theirs), Some(ours)) = (&manifest.cluster_id, &leader.cluster_id) else { return findings };
    if theirs == ours {
        let message = format!("Snapshot and servers are of cluster {ours}.");
        findings.stage(stage, Some(true), Reason::Verified, message);
        return findings;
    }
    let message = format!(
        "The snapshot is of cluster {theirs}, the servers are of cluster {ours}. Leases in it that have expired are revoked at once, against the real databases and clouds of cluster {theirs}."
    );
    findings.stage(stage, Some(false), Reason::OtherCluster, message);
    findings.next_steps.push(steps::other_cluster(theirs));
    findings
}
