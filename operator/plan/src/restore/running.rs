//! From the recorded ticket on: at most one POST, and no end without a reason.

use super::draft::{Draft, Truth};
use super::{JobSeen, Observed, Rung, Stage, Step, TicketSeen, Waiting};
use api::Phase;
use api::conditions::{ConditionType, Reason};
use api::restore::Progress;
use api::task::{Outcome, Report};

pub(super) fn run(seen: &Observed, draft: &mut Draft) -> Rung {
    if draft.phase() != Phase::Running {
        return Rung::Pass;
    }
    let recorded = draft.status.ticket_uid.as_deref();
    let Some(ticket) = seen.restore.ticket.as_ref().filter(|ticket| Some(ticket.uid.as_str()) == recorded)
    else {
        return unknown("The ticket of the restore is gone, so nobody can tell whether its Job acted.");
    };
    if let Some((bytes, total)) = ticket.progress {
        draft.status.progress = Some(Progress { bytes, total });
    }
    if let Some(report) = &ticket.report {
        return reported(report, draft);
    }
    if let Some(reason) = seen.restore.fenced() {
        return Rung::Fail(reason, fenced_message(reason));
    }
    if !seen.lock_is_ours() {
        draft.set(
            ConditionType::LockHeld,
            Truth::False,
            Reason::LockLost,
            "The operation lock was taken from us.",
        );
        return if seen.restore.claimed_by_pod() {
            at_work()
        } else {
            Rung::Act(Step::Fence(Reason::LockLost))
        };
    }
    job(seen, ticket)
}

fn job(seen: &Observed, ticket: &TicketSeen) -> Rung {
    let claimed = seen.restore.claimed_by_pod();
    match &seen.restore.job {
        None if claimed && seen.restore.pods_left => at_work(),
        None if claimed => unknown("The restore Job was deleted after it had claimed its ticket."),
        None if ticket.job.is_some() => Rung::Act(Step::Fence(Reason::JobDeleted)),
        None if seen.namespace_terminating => Rung::Act(Step::Fence(Reason::NamespaceTerminating)),
        None if !seen.restore.granted => Rung::Act(Step::Grant(Stage::Restore)),
        None => Rung::Act(Step::CreateJob(Stage::Restore)),
        Some(JobSeen { finished: true, .. }) if claimed => {
            unknown("The restore Job ended without a report after it had claimed its ticket.")
        }
        Some(JobSeen { finished: true, .. }) => Rung::Act(Step::Fence(Reason::JobFailed)),
        Some(job) if ticket.job.is_none() => {
            Rung::Act(Step::NameJob { stage: Stage::Restore, job: job.uid.clone() })
        }
        Some(_) => at_work(),
    }
}

fn reported(report: &Report, draft: &mut Draft) -> Rung {
    draft.adopt(report);
    let problems = report.told();
    match report.outcome {
        Outcome::Done => {
            draft.complete("The snapshot was applied, and the cluster has proved it.");
            Rung::Rest
        }
        Outcome::Refused | Outcome::Failed => {
            let reason = report.problems.first().map_or(Reason::NotApplied, |problem| problem.reason);
            Rung::Fail(reason, problems)
        }
        Outcome::Unknown => unknown(&problems),
    }
}

fn at_work() -> Rung {
    Rung::Wait(Waiting::Restore, "The restore Job is at work.".to_owned())
}

fn unknown(what: &str) -> Rung {
    Rung::Wait(
        Waiting::Outcome,
        format!(
            "{what} Whether the snapshot was applied is not known; the lock stays with this request until it is. \
             Compare the cluster's data, and see the log of the Job."
        ),
    )
}

fn fenced_message(reason: Reason) -> String {
    let what = match reason {
        Reason::JobDeleted => "The restore Job was deleted before it acted.",
        Reason::LockLost => "The operation lock was taken by somebody else before the restore Job acted.",
        Reason::NamespaceTerminating => "The namespace is being deleted, and the restore Job had not acted.",
        _ => "The restore Job ended before it acted.",
    };
    format!("{what} The cluster's data are as they were. Create a new OpenBaoRestore.")
}
