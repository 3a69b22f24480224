//! The rungs, in their order, and those that concern the request itself.

use super::draft::{Draft, Truth};
use super::observed::is_upgrading;
use super::{Observed, Rung, Step, Waiting, human, leftover, running, terminal, validating};
use crate::lock;
use api::conditions::{ConditionType, Reason};
use api::{Phase, names};

/// What a request passes, from top to bottom, at each look.
pub(super) const RUNGS: [fn(&Observed, &mut Draft) -> Rung; 16] = [
    terminal::clean_up,
    guarded,
    human::abandoned,
    running::run,
    namespace_stays,
    not_cancelled,
    not_a_copy,
    accepted,
    not_a_repetition,
    nothing_is_left_over,
    cluster_is_there,
    no_other_controller,
    validating::checked,
    validating::not_superseded,
    validating::locked,
    validating::ticket,
];

fn namespace_stays(seen: &Observed, _: &mut Draft) -> Rung {
    if !seen.namespace_terminating {
        return Rung::Pass;
    }
    let message = "The namespace is being deleted, so the restore was not started. Nothing was touched.";
    Rung::Fail(Reason::NamespaceTerminating, message.to_owned())
}

fn not_cancelled(seen: &Observed, _: &mut Draft) -> Rung {
    if !seen.being_deleted() {
        return Rung::Pass;
    }
    Rung::Fail(Reason::Cancelled, "The request was deleted before it ran. Nothing was touched.".to_owned())
}

/// Finalizer, `request-uid` and `request-name`, put back at each look: a replacement of the object drops them.
fn guarded(seen: &Observed, draft: &mut Draft) -> Rung {
    let finalizers = seen.request.metadata.finalizers.as_deref().unwrap_or_default();
    let is_held = finalizers.iter().any(|name| name == names::FINALIZER);
    let is_marked = seen.annotation(names::REQUEST_UID) == Some(seen.uid())
        && seen.annotation(names::REQUEST_NAME) == Some(seen.name());
    // An object that is being deleted takes no new finalizer.
    if seen.being_deleted() || (is_held && is_marked) || copied_run(seen, draft).is_some() {
        return Rung::Pass;
    }
    Rung::Act(Step::Guard)
}

fn not_a_copy(seen: &Observed, draft: &mut Draft) -> Rung {
    copied_run(seen, draft).map_or(Rung::Pass, |run| repeated(&run))
}

/// A copy or a re-created request brings name and UID of the one it came from; this is the latest run of that, unless a
/// human wants it once more. An export under a new name is a new request. Releases before this one wrote no name.
fn copied_run(seen: &Observed, draft: &Draft) -> Option<String> {
    let origin = seen.annotation(names::REQUEST_UID).filter(|uid| *uid != seen.uid())?;
    let keeps_its_name = seen.annotation(names::REQUEST_NAME).is_none_or(|name| name == seen.name());
    if draft.phase() == Phase::Running || !keeps_its_name {
        return None;
    }
    let recorded = seen.latest_run_of(Some(&api::intent::digest(&seen.request)));
    Some(recorded.unwrap_or_else(|| origin.to_owned())).filter(|run| !is_wanted_again(seen, run))
}

fn is_wanted_again(seen: &Observed, latest: &str) -> bool {
    seen.annotation(names::AGAIN) == Some(latest)
}

/// The second look: admission may have been absent when the request came.
fn accepted(seen: &Observed, draft: &mut Draft) -> Rung {
    let generation = seen.request.metadata.generation;
    match (draft.status.accepted_generation, &seen.judgement) {
        (Some(accepted), _) if Some(accepted) == generation => Rung::Pass,
        (Some(_), _) => Rung::Fail(
            Reason::GenerationChanged,
            "The request was changed after it was accepted. Nothing was touched. Create a new OpenBaoRestore."
                .to_owned(),
        ),
        (None, Some(judgement)) => Rung::Fail(
            Reason::SpecRefused,
            format!("{judgement} Nothing was touched. Create a new OpenBaoRestore that mends this."),
        ),
        (None, None) => {
            draft.status.accepted_generation = generation;
            draft.status.intent_digest = Some(api::intent::digest(&seen.request));
            Rung::Pass
        }
    }
}

fn not_a_repetition(seen: &Observed, draft: &mut Draft) -> Rung {
    let latest = seen.latest_run_of(draft.status.intent_digest.as_deref());
    latest.filter(|run| !is_wanted_again(seen, run)).map_or(Rung::Pass, |run| repeated(&run))
}

fn repeated(latest: &str) -> Rung {
    Rung::Fail(
        Reason::AlreadyRequested,
        format!(
            "This restore was requested before, so this object was re-created or copied by a tool. Nothing was \
             touched. To restore once more, create an OpenBaoRestore with a new name, or this one with the \
             annotation {}: {latest}.",
            names::AGAIN
        ),
    )
}

fn nothing_is_left_over(seen: &Observed, _: &mut Draft) -> Rung {
    if seen.check.is_foreign(seen.uid()) || seen.restore.is_foreign(seen.uid()) {
        return leftover();
    }
    Rung::Pass
}

fn cluster_is_there(seen: &Observed, draft: &mut Draft) -> Rung {
    let name = &seen.request.spec.cluster;
    let Some(cluster) = &seen.cluster else {
        let message = format!("OpenBaoCluster {name} does not exist in this namespace yet.");
        draft.set(ConditionType::ClusterResolved, Truth::False, Reason::ClusterNotFound, &message);
        return Rung::Wait(Waiting::Cluster, message);
    };
    if is_upgrading(cluster) && !seen.request.spec.force {
        let message =
            format!("OpenBaoCluster {name} is being upgraded; the restore waits for the end of that.");
        draft.set(ConditionType::ClusterResolved, Truth::False, Reason::ClusterUpgrading, &message);
        return Rung::Wait(Waiting::Upgrade, message);
    }
    Rung::Pass
}

/// Two controllers on one cluster would each overwrite what the other has done.
fn no_other_controller(seen: &Observed, draft: &mut Draft) -> Rung {
    let Some(cluster) = &seen.cluster else { return Rung::Pass };
    if let Some(foreign) = lock::foreign(cluster).filter(|foreign| !foreign.is_silent(draft.now())) {
        let (reason, message) = foreign.told(draft.now());
        draft.set(ConditionType::ClusterResolved, Truth::False, reason, &message);
        return Rung::Wait(Waiting::ForeignController, message);
    }
    let message = format!("OpenBaoCluster {} is there.", seen.request.spec.cluster);
    draft.set(ConditionType::ClusterResolved, Truth::True, Reason::Accepted, &message);
    draft.enter(Phase::Validating);
    Rung::Pass
}
