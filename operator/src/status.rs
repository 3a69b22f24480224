//! The part of a cluster's status that is ours, always applied as a whole: what an apply leaves out is taken away.

use api::conditions::{Condition, ConditionType};
use api::{BackupStatus, OpenBaoCluster};
use kube::Resource as _;
use plan::lock;
use serde_json::{Value, json};

/// Conditions that this project writes on a cluster.
const OURS: [ConditionType; 4] = [
    ConditionType::ForeignController,
    ConditionType::BackupHealthy,
    ConditionType::BackupScheduled,
    ConditionType::PreUpgradeSnapshotReady,
];

/// The object to apply over exactly the cluster that was read: what is new, and of the rest what is there.
pub(crate) fn applied(cluster: &OpenBaoCluster, new: &[Condition], backup: Option<&BackupStatus>) -> Value {
    let status = cluster.status.clone().unwrap_or_default();
    let is_ours = |condition: &&Condition| OURS.iter().any(|kind| kind.as_str() == condition.type_);
    let is_old = |condition: &&Condition| new.iter().all(|it| it.type_ != condition.type_);
    let kept = status.conditions.iter().filter(is_ours).filter(is_old);
    let conditions: Vec<&Condition> = new.iter().chain(kept).collect();
    let backup = backup.or(status.backup.as_ref().filter(|_| lock::is_backup_ours(cluster)));
    json!({
        "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
        "kind": OpenBaoCluster::kind(&()),
        "metadata": {
            "name": cluster.metadata.name, "namespace": cluster.metadata.namespace,
            "uid": cluster.metadata.uid, "resourceVersion": cluster.metadata.resource_version,
        },
        "status": {"conditions": conditions, "backup": backup},
    })
}
