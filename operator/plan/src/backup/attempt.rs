//! The backup that has begun: given what it needs, waited for, written down, and cleaned up after.

use super::draft::{Draft, Verdict};
use super::ledger::Ledger;
use super::observed::{CompanionKind, Observed, Work};
use super::{Rung, Step, Waiting, task};
use crate::job::STARTS_WITHIN;
use api::conditions::Reason;
use api::task::{Outcome, Report};
use jiff::Timestamp;

pub(super) fn rung(seen: &Observed, draft: &mut Draft<'_>) -> Rung {
    let Some(work) = seen.work() else { return Rung::Pass };
    if seen.spec().is_none() && seen.own_cron_job().is_none() {
        // Nobody remembers anything of it: the lock is cleared as any orphan's.
        return Rung::Pass;
    }
    let ledger = seen.ledger();
    let holds = seen.holder().as_ref() == Some(&work);
    let known = ledger.attempt.clone().filter(|attempt| attempt.uid == work.uid);
    let attempt = known.clone().unwrap_or_else(|| seen.attempt(&work, draft.now));
    if known.is_none() && seen.can_remember() {
        return Rung::Act(Step::Remember(Ledger { attempt: Some(attempt), ..ledger }));
    }
    let is_recorded = seen.status().last_attempt_time.as_ref() == Some(&attempt.at);
    if !is_recorded {
        match verdict(seen, &work, holds) {
            Some(verdict) => draft.record(&attempt, verdict),
            None => return goes_on(seen, &work, holds, draft.now),
        }
    }
    ends(seen, &work, holds, ledger, draft.now)
}

/// How it ended, as soon as that is known.
fn verdict(seen: &Observed, work: &Work, holds: bool) -> Option<Verdict> {
    let run = &seen.run;
    if let Some(report) = run.report() {
        return Some(of_report(report));
    }
    let waits = seen.suspended(&work.uid);
    if let Some(other) = seen.in_the_way().filter(|_| waits.is_some_and(|job| !job.has_task)) {
        let message = format!(
            "{} {} is there and was not made for a backup. Nothing was done, and it was left as it is. Remove it, or \
             make a backup under another name.",
            other.kind.kind(),
            work.job
        );
        return Some(Verdict::Bad(Reason::LeftoverExists, message));
    }
    let bad = |reason: Reason, what: &str| {
        let words = run.pods.stuck.as_deref().or(run.job.as_ref().and_then(|job| job.failure.as_deref()));
        let words = words.map_or_else(String::new, |words| format!(" Kubernetes says: {words}."));
        Some(Verdict::Bad(reason, format!("{what}{words}")))
    };
    if let Some(reason) = run.fenced() {
        return bad(reason, "The pod of the backup did not start within 5 min, and was given up.");
    }
    if run.pods.left {
        return None;
    }
    match &run.job {
        None if holds => bad(Reason::JobDeleted, "The Job was deleted before it had ended."),
        None => bad(Reason::LockOverridden, "The backup was ended, since a restore took its lock."),
        Some(job) if job.finished => {
            bad(Reason::JobFailed, "The pod of the backup ended without a word; see its log.")
        }
        Some(_) => None,
    }
}

fn of_report(report: &Report) -> Verdict {
    if let (Outcome::Done, Some(made), Some(pinned)) = (report.outcome, &report.backup, &report.pinned) {
        return Verdict::Good(Box::new(made.clone()), pinned.clone());
    }
    let reason = report.problems.first().map_or(Reason::JobFailed, |problem| problem.reason);
    let next = report.next_steps.first().map_or_else(String::new, |step| format!(" Next: {step}"));
    Verdict::Bad(reason, format!("{}{next}", report.told()))
}

/// What it needs until it has ended.
fn goes_on(seen: &Observed, work: &Work, holds: bool, now: Timestamp) -> Rung {
    let run = &seen.run;
    let Some(job) = run.job.as_ref().filter(|job| !job.deleting) else { return Rung::Wait(Waiting::Pods) };
    if let Some(waiting) = seen.suspended(&job.uid) {
        // One that somebody suspended in the middle of its work begins no second time, and one without the lock never.
        let may_begin = holds && !waiting.has_task;
        return Rung::Act(if may_begin { lacks(seen, work) } else { Step::EndJob });
    }
    match &run.ticket {
        Some(ticket) if ticket.job.as_deref() != Some(&job.uid) => Rung::Act(Step::NameJob),
        Some(ticket) if !ticket.beats && ticket.is_free() && is_late(seen, now) => {
            Rung::Act(Step::Fence(Reason::PodNotStarted))
        }
        // A ticket that was deleted while its Job was at work is not made anew.
        _ => Rung::Wait(Waiting::Backup),
    }
}

/// What it lacks until its Job is at work, in the order in which it is made.
fn lacks(seen: &Observed, work: &Work) -> Step {
    let (made, left) = seen.made_for(&work.uid);
    let has = |kind| made.iter().any(|companion| companion.kind == kind);
    let is_granted = has(CompanionKind::Role) && has(CompanionKind::RoleBinding);
    match &seen.run.ticket {
        _ if !left.is_empty() => Step::CleanUp(left),
        None if seen.is_ending() => Step::EndJob,
        None => Step::CreateTicket,
        Some(_) if !is_granted => Step::Grant,
        Some(_) if seen.spec().is_some() => Step::Resume,
        // The cluster says nothing of backups any more.
        Some(_) => Step::EndJob,
    }
}

/// Whether its pod should have been heard of by now. A Job that waited was made long before it was resumed.
fn is_late(seen: &Observed, now: Timestamp) -> bool {
    let started = seen.run.job.as_ref().and_then(|job| job.started);
    started.is_some_and(|started| now.duration_since(started) >= STARTS_WITHIN)
}

/// Everything that follows once its outcome is in the status. The lock goes last: with it goes the name of the Job, where
/// nothing can be remembered.
fn ends(seen: &Observed, work: &Work, holds: bool, ledger: Ledger, now: Timestamp) -> Rung {
    let run = &seen.run;
    if let Some(job) = run.job.as_ref().filter(|job| !job.finished && !job.deleting) {
        // The controller of Jobs ends no Job that is suspended.
        let is_over = run.fenced().is_some()
            || seen.suspended(&job.uid).is_some()
            || (run.report().is_none() && !job.failing);
        return if is_over { Rung::Act(Step::EndJob) } else { Rung::Wait(Waiting::Pods) };
    }
    if run.pods.left {
        return Rung::Wait(Waiting::Pods);
    }
    let remembered = remembered(seen, &ledger, now);
    if seen.can_remember() && remembered != ledger {
        return Rung::Act(Step::Remember(remembered));
    }
    let (made, _) = seen.made_for(&work.uid);
    if !made.is_empty() {
        return Rung::Act(Step::CleanUp(made));
    }
    if holds {
        return Rung::Act(Step::ReleaseLock);
    }
    if seen.can_remember() && ledger.attempt.is_some() {
        return Rung::Act(Step::Remember(Ledger { attempt: None, ..ledger }));
    }
    Rung::Pass
}

/// What the next backup has to know: what it has to settle, and which limits this one had.
fn remembered(seen: &Observed, ledger: &Ledger, now: Timestamp) -> Ledger {
    let mut next = ledger.clone();
    let is_done = |report: &Report| report.outcome == Outcome::Done;
    if seen.run.report().is_some_and(is_done) {
        // Those that it was told of are settled first of all.
        next.unfinished.clear();
        next.kept = seen.spec().map(task::limits);
    }
    // A marker that cannot be consumed ends no backup: which are left is on the ticket, beside the Report.
    if seen.run.ticket.as_ref().and_then(|ticket| ticket.report.as_ref()).is_some_and(is_done) {
        next.unconsumed.clear();
    }
    let next = next.with_markers(&seen.markers, now);
    match &seen.upload {
        Some(upload) => next.with(upload),
        None => next,
    }
}
