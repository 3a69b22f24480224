//! What a change of status is told as: events for people, log lines for machines.

use api::OpenBaoRestoreStatus;
use api::conditions::{Condition, ConditionType, Reason};

/// One thing that is now otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What changed: the type of a condition.
    pub action: String,
    /// Why it is as it is now.
    pub reason: String,
    /// The same in words.
    pub message: String,
    /// Whether somebody should look.
    pub warning: bool,
    /// Whether it concerns the cluster as much as the request.
    pub of_cluster: bool,
}

/// The conditions that are told, each once; the others repeat them for `kubectl wait` and kstatus.
const TOLD: [ConditionType; 9] = [
    ConditionType::ClusterResolved,
    ConditionType::SnapshotVerified,
    ConditionType::SealCompatible,
    ConditionType::Authenticated,
    ConditionType::LockHeld,
    ConditionType::Applied,
    ConditionType::LockReleased,
    ConditionType::SameCluster,
    ConditionType::StandbysRefreshed,
];

/// What a cluster's own history has to say of a restore.
const OF_CLUSTER: [ConditionType; 4] = [
    ConditionType::LockHeld,
    ConditionType::Applied,
    ConditionType::LockReleased,
    ConditionType::StandbysRefreshed,
];

/// What Reconciling is told for: nothing else says that a Job is at work.
const AT_WORK: [Reason; 3] = [Reason::Checking, Reason::Restoring, Reason::Proving];

/// What holds a request up for a while, and needs nobody.
const PATIENT: [Reason; 5] = [
    Reason::ClusterNotFound,
    Reason::ClusterUpgrading,
    Reason::OpenBaoBusy,
    Reason::LockHeldByOther,
    Reason::OverrideWaits,
];

/// What is as it was asked for, and hurts somebody all the same.
const HURTS: [Reason; 2] = [Reason::LockOverridden, Reason::Settled];

/// What has changed from one status to the next.
#[must_use]
pub fn transitions(old: Option<&OpenBaoRestoreStatus>, new: &OpenBaoRestoreStatus) -> Vec<Transition> {
    let before = old.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let same = |condition: &Condition| {
        before.iter().any(|old| {
            (&old.type_, &old.status, &old.reason) == (&condition.type_, &condition.status, &condition.reason)
        })
    };
    new.conditions
        .iter()
        .filter(|condition| is_told(condition) && !same(condition))
        .map(|condition| Transition {
            action: condition.type_.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            warning: if condition.status == "True" {
                is_one_of(&HURTS, condition)
            } else {
                !is_one_of(&PATIENT, condition)
            },
            of_cluster: OF_CLUSTER.iter().any(|kind| kind.as_str() == condition.type_),
        })
        .collect()
}

fn is_told(condition: &Condition) -> bool {
    if condition.type_ == ConditionType::Reconciling.as_str() {
        return condition.status == "True" && is_one_of(&AT_WORK, condition);
    }
    // That the lock is no longer held after it was given back is what LockReleased says.
    let released =
        condition.type_ == ConditionType::LockHeld.as_str() && is_one_of(&[Reason::Released], condition);
    // Without a manifest nobody knows, and nobody has to do anything.
    let unknown_origin =
        condition.type_ == ConditionType::SameCluster.as_str() && condition.status == "Unknown";
    !released && !unknown_origin && TOLD.iter().any(|kind| kind.as_str() == condition.type_)
}

fn is_one_of(reasons: &[Reason], condition: &Condition) -> bool {
    reasons.iter().any(|reason| reason.as_str() == condition.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::plan;
    use crate::restore::tests::{World, start};
    use api::task::Outcome as Ended;

    /// Every transition on the way of a restore, as `reason` or `!reason` for a warning.
    fn told(check: Ended, restore: Ended) -> Vec<String> {
        let mut world = World::new(check, restore);
        let mut all = Vec::new();
        for _ in 0..60 {
            let old = world.seen.request.status.clone();
            let new = plan(&world.seen, start()).status;
            let mark = |warning: bool| if warning { "!" } else { "" };
            let found = transitions(old.as_ref(), &new).into_iter();
            all.extend(found.map(|it| format!("{}{}", mark(it.warning), it.reason)));
            world.look(start());
        }
        all
    }

    #[test]
    fn a_restore_is_told_once_and_in_order() {
        let expected = ["Accepted", "LockAcquired", "Proved", "Released"];
        assert_eq!(told(Ended::Done, Ended::Done), expected);
    }

    #[test]
    fn a_failure_and_an_unknown_outcome_are_warnings() {
        assert_eq!(told(Ended::Refused, Ended::Done), ["Accepted", "!CheckFailed"]);
        assert_eq!(told(Ended::Done, Ended::Unknown), ["Accepted", "LockAcquired", "!OutcomeUnknown"]);
    }
}
