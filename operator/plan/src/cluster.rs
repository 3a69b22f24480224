//! What a cluster needs beside restores and backups: a lock of ours whose owner is over is cleared, and another
//! controller is told of.

use crate::lock::{self, Orphan};
use crate::restore::Rival;
use api::OpenBaoCluster;
use api::conditions::{Condition, ConditionType};
use api::lock::Holder;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A cluster and the owner of its lock.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The cluster.
    pub cluster: OpenBaoCluster,
    /// What is known of the owner of its lock, where that is one of ours.
    pub owner: Option<Rival>,
}

/// What to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// All conditions of ours, where they differ from what is there.
    pub conditions: Option<Vec<Condition>>,
    /// What to do about its lock.
    pub lock: Orphan,
    /// Whether time alone can change the plan.
    pub looks_again: bool,
}

impl Observed {
    /// The operation of ours that holds the lock.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.cluster.status.as_ref()?.operation_lock.as_ref()?.our_holder()
    }

    fn condition(&self) -> Option<&Condition> {
        let kind = ConditionType::ForeignController.as_str();
        self.cluster.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
    }
}

/// What to write about a cluster now.
#[must_use]
pub fn plan(seen: &Observed, now: Timestamp) -> Plan {
    let foreign = lock::foreign(&seen.cluster);
    let is_there = foreign.as_ref().is_some_and(|foreign| !foreign.is_silent(now));
    Plan {
        conditions: foreign_condition(seen, foreign.as_ref(), now).map(|condition| vec![condition]),
        lock: orphan(seen, now),
        looks_again: is_there || seen.owner.is_some(),
    }
}

/// Where backups are made, who plans them gives back the lock of one, and writes down what became of it first.
fn orphan(seen: &Observed, now: Timestamp) -> Orphan {
    match &seen.owner {
        Some(Rival::Backup { .. }) if seen.cluster.spec.backup.is_some() => Orphan::Keep,
        Some(owner) => lock::orphan(owner, now),
        None => Orphan::Keep,
    }
}

/// Nothing is said of a controller that was never there.
fn foreign_condition(seen: &Observed, foreign: Option<&lock::Foreign>, now: Timestamp) -> Option<Condition> {
    let before = seen.condition();
    let (status, (reason, message)) = match foreign {
        Some(foreign) if !foreign.is_silent(now) => ("True", foreign.told(now)),
        Some(foreign) => ("False", foreign.told(now)),
        None => {
            let message = "No other controller works on this cluster.".to_owned();
            ("False", (api::conditions::Reason::ForeignSilent, message))
        }
    };
    if before.is_none() && status == "False" {
        return None;
    }
    let is_same = |old: &&Condition| old.status == status && old.reason == reason.as_str();
    if before.is_some_and(|old| is_same(&old)) {
        return None;
    }
    Some(Condition {
        type_: ConditionType::ForeignController.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message,
        observed_generation: seen.cluster.metadata.generation,
        last_transition_time: Time(now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use serde_json::json;

    fn at(minutes: i64) -> Timestamp {
        "2026-03-20T03:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    fn seen(holder: &str, owner: Option<Rival>) -> Observed {
        let lock = json!({"operation": "Backup", "holder": holder, "acquiredAt": at(0).to_string()});
        let cluster = serde_json::from_value(json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": {"name": "c"},
            "spec": {}, "status": {"operationLock": lock}
        }));
        Observed { cluster: cluster.unwrap(), owner }
    }

    #[test]
    fn only_an_orphaned_lock_is_cleared() {
        let ours = "openbao-recovery/backup/j/u";
        for (pods_left, lock) in [(false, Orphan::Clear), (true, Orphan::Keep)] {
            let plan = plan(&seen(ours, Some(Rival::Backup { job: None, pods_left })), at(0));
            assert_eq!((plan.lock, plan.looks_again, plan.conditions), (lock, true, None));
        }
        assert_eq!(plan(&seen("somebody", None), at(0)).lock, Orphan::Keep, "it is not ours to clear");
        let mut planned = seen(ours, Some(Rival::Backup { job: None, pods_left: false }));
        planned.cluster.spec.backup = Some(serde_json::from_value(json!({"target": {}})).unwrap());
        assert_eq!(plan(&planned, at(0)).lock, Orphan::Keep, "it has to be written down first");
    }

    #[test]
    fn another_controller_is_told_of_once_and_its_silence_too() {
        let mut seen = seen("somebody", None);
        let mut say = |now| {
            let plan = plan(&seen, now);
            let said = plan.conditions.clone().map(|mut all| all.remove(0));
            if let Some(condition) = &said {
                seen.cluster.status.as_mut().unwrap().conditions = vec![condition.clone()];
            }
            (said.map(|condition| condition.status), plan.looks_again)
        };
        assert_eq!(say(at(1)), (Some("True".to_owned()), true));
        assert_eq!(say(at(2)), (None, true));
        assert_eq!(say(at(11)), (Some("False".to_owned()), false));
        assert_eq!(say(at(12)), (None, false));
    }
}
