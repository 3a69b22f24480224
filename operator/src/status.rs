//! The part of a cluster's status that is ours, always applied as a whole: what an apply leaves out is taken away.

use api::OpenBaoCluster;
use api::conditions::{Condition, ConditionType};
use plan::backup::{CONDITIONS, Written};
use plan::lock;
use serde_json::{Value, json};

/// What is new of it; the rest stays as it is.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// What is said of another controller.
    Foreign(&'a [Condition]),
    /// All that is said of backups.
    Backups(&'a Written),
}

/// The status to apply over exactly the cluster that was read.
pub(crate) fn whole(cluster: &OpenBaoCluster, part: Part<'_>) -> Value {
    let old = cluster.status.clone().unwrap_or_default();
    let (new, kept, backup) = match part {
        Part::Foreign(new) => {
            (new, &CONDITIONS[..], old.backup.as_ref().filter(|_| lock::is_backup_ours(cluster)))
        }
        Part::Backups(new) => {
            (&new.conditions[..], &[ConditionType::ForeignController][..], Some(&new.backup))
        }
    };
    let is_kept = |condition: &&Condition| kept.iter().any(|kind| kind.as_str() == condition.type_);
    let conditions: Vec<&Condition> = new.iter().chain(old.conditions.iter().filter(is_kept)).collect();
    let mut status = json!({"conditions": conditions});
    if let Some(backup) = backup {
        // Left out otherwise: a null would be ours, and take away what another controller wrote.
        status["backup"] = json!(backup);
    }
    status
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
        assert_eq!(whole(&cluster("theirs"), Part::Foreign(&[])).get("backup"), None);
        let ours = whole(&cluster(api::names::MANAGER), Part::Foreign(&[]));
        assert_eq!(ours["backup"]["lastBackupName"], "k");
    }

    /// Bug: each of the two takes away what the other one said, or what is said no more stays.
    #[test]
    fn each_part_keeps_the_other() {
        let condition = |kind: ConditionType| json!({"type": kind.as_str(), "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-03-20T03:00:00Z"});
        let (foreign, ready) = (ConditionType::ForeignController, ConditionType::PreUpgradeSnapshotReady);
        let cluster: OpenBaoCluster = serde_json::from_value(json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": {"name": "c"}, "spec": {},
            "status": {"conditions": [condition(foreign), condition(ready), {
                "type": "Ready", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-03-20T03:00:00Z"
            }]}
        }))
        .unwrap();
        let types = |part| {
            let status = whole(&cluster, part);
            let conditions = status["conditions"].as_array().unwrap().iter();
            conditions.map(|condition| condition["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let nothing = Written::default();
        assert_eq!(types(Part::Backups(&nothing)), [foreign.as_str()]);
        assert_eq!(types(Part::Foreign(&[])), [ready.as_str()]);
    }
}
