//! After the end: what was done is recorded, the lock goes back, Jobs get a time to live, the finalizer goes.

use super::draft::{Draft, Truth};
use super::{Observed, Outcome, Run, Rung, Stage, Step, Waiting, arbiter};
use api::conditions::{ConditionType, Reason};
use api::{Phase, names};

pub(super) fn clean_up(seen: &Observed, draft: &mut Draft) -> Rung {
    if !draft.phase().is_terminal() {
        return Rung::Pass;
    }
    if let Some(outcome) = unrecorded(seen, draft) {
        return Rung::Act(Step::Record(outcome));
    }
    if let Some((_, stage)) = ours(seen).find(|(run, stage)| is_unwanted(run, *stage)) {
        return Rung::Act(Step::DeleteJob(stage));
    }
    if seen.lock_is_ours() {
        return if ours(seen).any(|(run, _)| run.pods.left) {
            pods_end()
        } else {
            Rung::Act(Step::ReleaseLock)
        };
    }
    if draft.says(ConditionType::LockHeld, Truth::True) {
        let message = "The operation lock was given back.";
        draft.set(ConditionType::LockHeld, Truth::False, Reason::Released, message);
        let message = "The operation lock is free of us.";
        draft.set(ConditionType::LockReleased, Truth::True, Reason::Released, message);
    }
    if arbiter::is_ours(seen) {
        return Rung::Act(Step::ReleaseArbiter);
    }
    let ended = |run: &Run| run.job.as_ref().is_some_and(|job| job.finished && !job.retired && !job.deleting);
    if let Some((_, stage)) = ours(seen).find(|(run, _)| ended(run)) {
        return Rung::Act(Step::Retire(stage));
    }
    if ours(seen).any(|(run, _)| run.pods.left) {
        return pods_end();
    }
    let finalizers = seen.request.metadata.finalizers.as_deref().unwrap_or_default();
    if finalizers.iter().any(|name| name == names::FINALIZER) { Rung::Act(Step::Free) } else { Rung::Rest }
}

fn pods_end() -> Rung {
    Rung::Wait(Waiting::Pods, String::new())
}

/// What belongs to this very request.
fn ours(seen: &Observed) -> impl Iterator<Item = (&Run, Stage)> {
    seen.runs().filter(|(run, _)| !run.is_foreign(seen.uid()))
}

/// A Job that is still at work when its request is over; a restore that was claimed is left to end by itself.
fn is_unwanted(run: &Run, stage: Stage) -> bool {
    let is_on_its_way_out = match stage {
        Stage::Restore => run.claimed_by_pod(),
        Stage::Check | Stage::Prove(_) => run.report().is_some(),
    };
    run.is_at_work() && !is_on_its_way_out
}

/// What `status.restores` has to say of this request and does not say yet.
fn unrecorded(seen: &Observed, draft: &Draft) -> Option<Outcome> {
    let recorded = seen.recorded();
    seen.cluster.as_ref()?;
    let outcome = if draft.phase() == Phase::Completed {
        Outcome::Applied
    } else if draft.says(ConditionType::Applied, Truth::Unknown) {
        Outcome::Unknown
    } else if recorded.is_some() {
        Outcome::NotApplied
    } else {
        return None;
    };
    (recorded != Some(outcome.as_str())).then_some(outcome)
}
