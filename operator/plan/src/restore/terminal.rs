//! After the end: what was done is recorded, the lock goes back, Jobs get a time to live, the finalizer goes.

use super::draft::{Draft, Truth};
use super::{Observed, Outcome, Run, Rung, Stage, Step, Waiting};
use api::conditions::{ConditionType, Reason};
use api::{Phase, names};

pub(super) fn clean_up(seen: &Observed, draft: &mut Draft) -> Rung {
    if !draft.phase().is_terminal() {
        return Rung::Pass;
    }
    if draft.phase() == Phase::Completed && needs_record(seen) {
        return Rung::Act(Step::Record(Outcome::Applied));
    }
    if is_ours(&seen.check, seen) && is_at_work(&seen.check) {
        return Rung::Act(Step::DeleteJob(Stage::Check));
    }
    if seen.lock_is_ours() {
        if seen.restore.pods_left {
            return Rung::Wait(Waiting::Pods, String::new());
        }
        return Rung::Act(Step::ReleaseLock);
    }
    if draft.says(ConditionType::LockHeld, Truth::True) {
        draft.set(
            ConditionType::LockHeld,
            Truth::False,
            Reason::Released,
            "The operation lock was given back.",
        );
        draft.set(
            ConditionType::LockReleased,
            Truth::True,
            Reason::Released,
            "The operation lock is free of us.",
        );
    }
    let jobs = [(&seen.check, Stage::Check), (&seen.restore, Stage::Restore)];
    for (run, stage) in jobs {
        if run.job.as_ref().is_some_and(|job| job.finished && !job.retired && is_ours(run, seen)) {
            return Rung::Act(Step::Retire(stage));
        }
    }
    let finalizers = seen.request.metadata.finalizers.as_deref().unwrap_or_default();
    if finalizers.iter().any(|name| name == names::FINALIZER) { Rung::Act(Step::Free) } else { Rung::Rest }
}

/// A check that is still at work when its request is over is cancelled by deleting its Job.
fn is_at_work(run: &Run) -> bool {
    run.report().is_none() && run.job.as_ref().is_some_and(|job| !job.finished && !job.deleting)
}

fn is_ours(run: &Run, seen: &Observed) -> bool {
    !run.is_foreign(seen.uid())
}

fn needs_record(seen: &Observed) -> bool {
    seen.cluster.as_ref().is_some_and(|cluster| {
        let restores = cluster.status.as_ref().map(|status| status.restores.as_slice()).unwrap_or_default();
        restores.iter().all(|record| record.uid != seen.uid())
    })
}
