//! Which Job is next. One that waits too long for its turn is dealt with, not piled up.

use super::draft::Draft;
use super::observed::{BackupJob, Observed, Work};
use super::{Cause, Rung, Step, Waiting, objects, times};
use crate::restore::is_upgrading;
use api::conditions::Reason;
use api::task::Problem;
use jiff::{SignedDuration, Timestamp};

/// How long a Job that was made by hand waits for its turn.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn rung(seen: &Observed, draft: &mut Draft<'_>) -> Rung {
    if seen.is_ending() {
        return Rung::Pass;
    }
    let mut waiting: Vec<&BackupJob> = seen.own_jobs().filter(|job| job.waits()).collect();
    waiting
        .sort_by_key(|job| (job.upgrade().is_none(), job.slot.is_some(), job.job.created, job.name.clone()));
    let current = objects::digest(seen);
    for job in &waiting {
        if job.template != current {
            return stale(seen, job, draft);
        }
        if let Some((why, text)) = blocked(seen, job, draft.now).filter(|_| is_past(seen, job, draft.now)) {
            return given_up(job, why, &text, draft);
        }
    }
    let last = draft.backup.last_attempt_time.as_ref();
    if last.is_some_and(|last| draft.now.duration_since(last.0) < SignedDuration::from_secs(1))
        && !waiting.is_empty()
    {
        return Rung::Wait(Waiting::Second);
    }
    let free = waiting.iter().find(|job| blocked(seen, job, draft.now).is_none());
    match (free, waiting.first().and_then(|job| blocked(seen, job, draft.now))) {
        (Some(job), _) => Rung::Act(Step::TakeLock(Work { job: job.name.clone(), uid: job.job.uid.clone() })),
        (None, Some((why, _))) => Rung::Wait(why),
        (None, None) => Rung::Pass,
    }
}

/// What a Job has to wait for.
fn blocked(seen: &Observed, job: &BackupJob, now: Timestamp) -> Option<(Waiting, String)> {
    if let Some(foreign) = seen.foreign(now) {
        return Some((Waiting::ForeignController, foreign.told(now).1));
    }
    if let Some(lock) = seen.lock() {
        let text = format!("{} holds the lock for {}.", lock.holder, lock.operation);
        return Some((Waiting::Lock, text));
    }
    // The upgrade waits for this one.
    if is_upgrading(&seen.cluster) && job.upgrade().is_none() {
        return Some((Waiting::Upgrade, "The cluster is being upgraded.".to_owned()));
    }
    None
}

fn is_past(seen: &Observed, job: &BackupJob, now: Timestamp) -> bool {
    let (begun, patience) = match (job.slot, seen.spec()) {
        (Some(slot), Some(spec)) => (Some(slot), times::wait(spec, now)),
        _ => (job.job.created, PATIENCE),
    };
    // An upgrade waits for as long as it has to.
    let is_asked_for = job.upgrade().is_some();
    !is_asked_for && begun.is_some_and(|begun| now.duration_since(begun) > patience)
}

/// A time of the schedule goes by; a Job that somebody made is told why it fails.
fn given_up(job: &BackupJob, why: Waiting, text: &str, draft: &mut Draft<'_>) -> Rung {
    if let Some(slot) = job.slot {
        draft.skip(slot, text);
        return Rung::Act(job.dropped());
    }
    let message =
        format!("The backup waited too long: {text} Nothing was done. Make a new one once that is over.");
    refused(job, why.reason(), message, draft)
}

/// A scheduled Job is replaced by one from the template of now; one that somebody made is told why it fails.
fn stale(seen: &Observed, job: &BackupJob, draft: &mut Draft<'_>) -> Rung {
    // It is made anew as long as it is asked for.
    if job.upgrade().is_some() {
        return Rung::Act(job.dropped());
    }
    let Some(slot) = job.slot.filter(|_| seen.spec().is_some()) else {
        let message = "The Job was made from a template that is no longer the cluster's, since spec.backup or the \
                       operator has changed. Nothing was done. Make a new one from the CronJob.";
        return refused(job, Reason::TemplateStale, message.to_owned(), draft);
    };
    let cause = Cause::Slot(slot.to_string());
    let replacement = objects::job_name(seen, &cause);
    if seen.own_jobs().any(|other| other.name == replacement) {
        return Rung::Act(job.dropped());
    }
    Rung::Act(Step::CreateJob(cause))
}

fn refused(job: &BackupJob, reason: Reason, message: String, draft: &mut Draft<'_>) -> Rung {
    draft.tell("BackupRefused", true, format!("Job {}: {message}", job.name));
    Rung::Act(Step::Refuse { name: job.name.clone(), problem: Problem { reason, field: None, message } })
}
