//! The backup that has begun: given what it needs, waited for, written down, and cleaned up after.

use super::draft::{Draft, Verdict};
use super::ledger::{Attempt, Ledger};
use super::observed::Observed;
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
        match verdict(seen, holds) {
            Some(verdict) => draft.record(&attempt, verdict),
            None => return goes_on(seen, draft.now),
        }
    }
    ends(seen, &attempt, holds, ledger)
}

/// How it ended, as soon as that is known.
fn verdict(seen: &Observed, holds: bool) -> Option<Verdict> {
    let run = &seen.run;
    if let Some(report) = run.report() {
        return Some(of_report(report));
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
fn goes_on(seen: &Observed, now: Timestamp) -> Rung {
    let run = &seen.run;
    let Some(job) = run.job.as_ref().filter(|job| !job.deleting) else { return Rung::Wait(Waiting::Pods) };
    if seen.jobs.iter().any(|one| one.job.uid == job.uid && one.suspended) {
        return Rung::Act(lacks(seen));
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
fn lacks(seen: &Observed) -> Step {
    match &seen.run.ticket {
        None if seen.is_ending() => Step::EndJob,
        None => Step::CreateTicket,
        Some(_) if !seen.run.granted => Step::Grant,
        Some(_) if seen.spec().is_some() => Step::Resume,
        // The cluster says nothing of backups any more.
        Some(_) => Step::EndJob,
    }
}

/// Whether its pod should have been heard of by now. A Job that waited was made long before it was resumed.
fn is_late(seen: &Observed, now: Timestamp) -> bool {
    let made = seen.run.ticket.as_ref().and_then(|ticket| ticket.created);
    made.is_some_and(|made| now.duration_since(made) >= STARTS_WITHIN)
}

/// Everything that follows once its outcome is in the status: the lock goes last of what others wait for.
fn ends(seen: &Observed, attempt: &Attempt, holds: bool, ledger: Ledger) -> Rung {
    let run = &seen.run;
    if let Some(job) = run.job.as_ref().filter(|job| !job.finished && !job.deleting) {
        let is_over = run.fenced().is_some() || (run.report().is_none() && !job.failing);
        return if is_over { Rung::Act(Step::EndJob) } else { Rung::Wait(Waiting::Pods) };
    }
    if run.pods.left {
        return Rung::Wait(Waiting::Pods);
    }
    let remembered = remembered(seen, &ledger);
    if seen.can_remember() && remembered != ledger {
        return Rung::Act(Step::Remember(remembered));
    }
    if holds {
        return Rung::Act(Step::ReleaseLock);
    }
    let is_own = |of: &Option<String>| of.as_deref() == Some(attempt.uid.as_str());
    if run.granted || run.ticket.as_ref().is_some_and(|ticket| is_own(&ticket.request)) {
        return Rung::Act(Step::CleanUp);
    }
    if seen.can_remember() && ledger.attempt.is_some() {
        return Rung::Act(Step::Remember(Ledger { attempt: None, ..ledger }));
    }
    Rung::Pass
}

/// What the next backup has to know: what it has to settle, and which limits this one had.
fn remembered(seen: &Observed, ledger: &Ledger) -> Ledger {
    let mut next = ledger.clone();
    let report = seen.run.report();
    if report.is_some_and(|report| report.outcome == Outcome::Done) {
        // Those that it was told of are settled first of all.
        next.unfinished.clear();
        next.kept = seen.spec().map(task::limits);
    }
    match &seen.upload {
        Some(upload) => next.with(upload),
        None => next,
    }
}
