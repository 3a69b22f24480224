//! A lock that is to be overridden: its holder is made unable to act first, where it is one of ours.

use super::draft::{Draft, Truth};
use super::{JobSeen, Observed, Rival, Rung, Step, TicketSeen, Waiting, arbiter};
use api::OperationLock;
use api::conditions::{ConditionType, Reason};

/// What a request that may override does about the lock of another.
pub(super) fn overridden(seen: &Observed, lock: &OperationLock, draft: &mut Draft) -> Rung {
    let waits = |what: &str| {
        let message = format!("The lock of {} is to be overridden; {what}", lock.holder);
        (ConditionType::LockHeld, Truth::False, Reason::OverrideWaits, message)
    };
    let (kind, truth, reason, message) = match &seen.rival {
        Some(Rival::Restore { ticket: Some(ticket), .. }) if ticket.is_free() => {
            return Rung::Act(Step::FenceRival);
        }
        // It could make one and its Job at this very moment.
        Some(Rival::Restore { over: false, ticket: None, recorded: None, .. }) => {
            return Rung::Act(Step::FenceRival);
        }
        Some(Rival::Restore { over: false, ticket, recorded, .. })
            if may_act(ticket.as_ref(), recorded.as_ref()) =>
        {
            waits(
                "its Job has claimed its ticket, so it counts as Running until it has ended or is abandoned.",
            )
        }
        Some(Rival::Restore { over: true, pods_left: true, .. }) => {
            waits("it is over, and its pod has not ended.")
        }
        Some(Rival::Backup { job: Some(JobSeen { finished: false, deleting: false, .. }), .. }) => {
            return Rung::Act(Step::EndRival);
        }
        Some(
            Rival::Backup { job: Some(JobSeen { finished: false, .. }), .. }
            | Rival::Backup { pods_left: true, .. },
        ) => waits("it is a backup that is being ended, and its pod has not ended."),
        _ => return arbiter::then_lock(seen, draft),
    };
    draft.set(kind, truth, reason, &message);
    Rung::Wait(Waiting::Rival, message)
}

/// A recorded ticket that is missing, or another one, counts as claimed.
fn may_act(ticket: Option<&TicketSeen>, recorded: Option<&String>) -> bool {
    match (ticket, recorded) {
        (Some(ticket), Some(recorded)) if ticket.uid != *recorded => true,
        (Some(ticket), _) => ticket.claimed_by_pod(),
        (None, recorded) => recorded.is_some(),
    }
}
