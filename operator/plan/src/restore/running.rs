//! From the recorded ticket on: at most one POST, and no end without a reason.

use super::draft::{Draft, Truth};
use super::{
    Observed, PodsSeen, Rung, Stage, Step, TicketSeen, Waiting, is_unstarted, leftover, proof_number,
    proving, task,
};
use api::Phase;
use api::conditions::{ConditionType, Reason};
use api::restore::Progress;
use api::task::{Outcome, Report};

/// What a ticket says that no pod has claimed.
const UNCLAIMED: &str = " The ticket of the restore was never claimed, so nothing was applied.";

pub(super) fn run(seen: &Observed, draft: &mut Draft) -> Rung {
    if draft.phase() != Phase::Running {
        return Rung::Pass;
    }
    let Some(ticket) = recorded_ticket(seen, draft) else {
        return proving::unclaimed_nobody_knows(seen, draft);
    };
    if let Some((bytes, total)) = ticket.progress {
        draft.status.progress = Some(Progress { bytes, total });
    }
    if let Some(report) = seen.restore.acted() {
        return reported(seen, report, draft);
    }
    if let Some(reason) = seen.restore.fenced() {
        return Rung::Fail(reason, fenced_message(seen, reason));
    }
    if let Some(report) = seen.restore.report() {
        return reported(seen, report, draft);
    }
    if !seen.lock_is_ours() {
        let message = "The operation lock was taken from us.";
        draft.set(ConditionType::LockHeld, Truth::False, Reason::LockLost, message);
        if !ticket.claimed_by_pod() {
            return Rung::Act(Step::Fence(Reason::LockLost));
        }
    }
    if ticket.claimed_by_pod() { claimed(seen, draft) } else { unclaimed(seen, ticket, draft) }
}

/// The ticket that the status names; another one of its name is none.
pub(super) fn recorded_ticket<'a>(seen: &'a Observed, draft: &Draft) -> Option<&'a TicketSeen> {
    let recorded = draft.status.ticket_uid.as_deref();
    seen.restore.ticket.as_ref().filter(|ticket| Some(ticket.uid.as_str()) == recorded)
}

/// A pod may have acted: it goes on to its end, and what it leaves is believed, or proved.
fn claimed(seen: &Observed, draft: &mut Draft) -> Rung {
    let run = &seen.restore;
    let what = match &run.job {
        Some(job) if job.finished || job.failing => without_a_report(&run.pods),
        None if !run.pods.left => "The restore Job was deleted after it had claimed its ticket.",
        Some(_) | None if proving::is_proved_too_late(seen, draft.now()) => {
            "The leader has acknowledged the snapshot; since then its pod has told nothing."
        }
        Some(_) | None => return at_work(seen),
    };
    proving::prove(seen, draft, what)
}

/// What was looked at, and what there was not.
fn without_a_report(pods: &PodsSeen) -> &'static str {
    if pods.left {
        return "The restore Job has failed after its ticket was claimed, its pod has not ended, and there is no report on the ticket.";
    }
    if pods.claimant_terminated.is_some() {
        return "The restore Job ended after it had claimed its ticket, and neither the ticket nor the termination log of its pod has a report.";
    }
    "The restore Job ended after it had claimed its ticket, the ticket has no report, and its pod is gone with its termination log."
}

/// Nothing was sent, and whoever claims first decides.
fn unclaimed(seen: &Observed, ticket: &TicketSeen, draft: &Draft) -> Rung {
    let fence = |reason| Rung::Act(Step::Fence(reason));
    match &seen.restore.job {
        None if ticket.job.is_some() => fence(Reason::JobDeleted),
        _ if seen.namespace_terminating => fence(Reason::NamespaceTerminating),
        None if !seen.is_as_accepted(draft.status.accepted_generation) => fence(Reason::GenerationChanged),
        None if draft.now() > task::not_after(seen, Stage::Restore) => fence(Reason::DeadlineExceeded),
        None if !seen.restore.granted => Rung::Act(Step::Grant(Stage::Restore)),
        None => Rung::Act(Step::CreateJob(Stage::Restore)),
        Some(job) if job.request.as_deref() != Some(seen.uid()) => leftover(),
        Some(job) if ticket.job.as_ref().is_some_and(|named| *named != job.uid) => fence(Reason::JobDeleted),
        Some(job) if job.finished || job.failing => fence(Reason::JobFailed),
        Some(job) if ticket.job.is_none() => {
            Rung::Act(Step::NameJob { stage: Stage::Restore, job: job.uid.clone() })
        }
        Some(_) if is_unstarted(&seen.restore, draft.now()) => fence(Reason::PodNotStarted),
        Some(_) => at_work(seen),
    }
}

fn reported(seen: &Observed, report: &Report, draft: &mut Draft) -> Rung {
    // What a proof finds is newer than the doubt of the pod.
    if report.outcome != Outcome::Unknown || proof_number(&seen.request).is_none() {
        draft.adopt(report);
    }
    let problems = report.told();
    match report.outcome {
        Outcome::Done => {
            draft.complete(Reason::Proved, "The snapshot was applied, and the cluster has proved it.");
            Rung::Rest
        }
        Outcome::Refused | Outcome::Failed => {
            let reason = report.problems.first().map_or(Reason::NotApplied, |problem| problem.reason);
            let unclaimed = if seen.restore.claimed_by_pod() { "" } else { UNCLAIMED };
            Rung::Fail(reason, format!("{problems}{unclaimed}"))
        }
        Outcome::Unknown => proving::prove(seen, draft, &problems),
    }
}

fn at_work(seen: &Observed) -> Rung {
    if proving::acknowledged(seen).is_some() {
        return Rung::Wait(Waiting::Proving, proving::PROVING.to_owned());
    }
    Rung::Wait(Waiting::Restore, "The restore Job is at work.".to_owned())
}

fn fenced_message(seen: &Observed, reason: Reason) -> String {
    let what = match reason {
        Reason::JobDeleted => "The restore Job was deleted before it acted.",
        Reason::LockLost => "The operation lock was taken by somebody else before the restore Job acted.",
        Reason::LockOverridden => "Another OpenBaoRestore overrode the operation lock before this one acted.",
        Reason::NamespaceTerminating => "The namespace is being deleted, and the restore Job had not acted.",
        Reason::Abandoned => "The request was abandoned before the restore Job acted.",
        Reason::GenerationChanged => {
            "The request was changed after it was accepted, and its Job did not exist yet."
        }
        Reason::DeadlineExceeded => "It was too late to make the restore Job.",
        Reason::PodNotStarted => "The pod of the restore Job did not start within 5 minutes.",
        _ => "The restore Job ended before it acted.",
    };
    let pods = &seen.restore.pods;
    let why = match reason {
        Reason::PodNotStarted => pods.stuck.as_deref(),
        Reason::JobFailed | Reason::JobDeleted => pods.ended.as_deref(),
        _ => None,
    };
    let why = why.map(|why| format!(" Its pod: {}.", why.trim_end_matches('.'))).unwrap_or_default();
    format!("{what}{why}{UNCLAIMED} Create a new OpenBaoRestore.")
}
