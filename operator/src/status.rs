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
    let mut status = json!({"conditions": conditions});
    if let Some(backup) = backup {
        // Left out otherwise: a null would be ours, and take away what another controller wrote.
        status["backup"] = json!(backup);
    }
    json!({
        "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
        "kind": OpenBaoCluster::kind(&()),
        "metadata": {
            "name": cluster.metadata.name, "namespace": cluster.metadata.namespace,
            "uid": cluster.metadata.uid, "resourceVersion": cluster.metadata.resource_version,
        },
        "status": status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: telling of another controller takes its own words away, so that it seems to be silent.
    #[test]
    fn what_another_controller_says_of_backups_is_not_named() {
        let cluster = |manager: &str| -> OpenBaoCluster {
            let wrote = json!([{"manager": manager, "operation": "Apply", "time": "2026-03-20T03:00:00Z",
                                "fieldsV1": {"f:status": {"f:backup": {}}}}]);
            serde_json::from_value(json!({
                "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
                "metadata": {"name": "c", "managedFields": wrote}, "spec": {},
                "status": {"backup": {"lastBackupName": "k"}}
            }))
            .unwrap()
        };
        assert_eq!(applied(&cluster("theirs"), &[], None)["status"].get("backup"), None);
        let ours = applied(&cluster(api::names::MANAGER), &[], None);
        assert_eq!(ours["status"]["backup"]["lastBackupName"], "k");
    }
}
