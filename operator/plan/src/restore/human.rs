//! What a human decides about a request by an annotation.

use super::draft::Draft;
use super::{Observed, Rung, Stage, Step, Waiting, running};
use api::Phase;
use api::conditions::Reason;
use api::task::Outcome;

/// A request that was given up: cancelled where that is still possible, else ended in doubt.
pub(super) fn abandoned(seen: &Observed, draft: &mut Draft) -> Rung {
    if !seen.is_abandoned() {
        return Rung::Pass;
    }
    if draft.phase() != Phase::Running {
        let message = "The request was abandoned before it ran. Nothing was touched.";
        return Rung::Fail(Reason::Abandoned, message.to_owned());
    }
    let run = &seen.restore;
    let is_told = run.report().is_some_and(|report| report.outcome != Outcome::Unknown);
    if is_told || run.fenced().is_some() {
        return Rung::Pass;
    }
    if running::recorded_ticket(seen, draft).is_some_and(|ticket| !ticket.claimed_by_pod()) {
        return Rung::Act(Step::Fence(Reason::Abandoned));
    }
    if run.is_at_work() {
        return Rung::Act(Step::DeleteJob(Stage::Restore));
    }
    if run.pods.left {
        return Rung::Wait(Waiting::Pods, "The request was abandoned; its pod has not ended.".to_owned());
    }
    let message = "The request was abandoned after its Job had claimed the ticket. Whether the snapshot was applied is \
                   not known: compare the cluster's data before you do anything else.";
    draft.doubt(message);
    Rung::Fail(Reason::Abandoned, message.to_owned())
}
