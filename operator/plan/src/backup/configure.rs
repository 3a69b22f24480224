//! The `CronJob` as the cluster wants it, and the Job of a trigger.

use super::draft::Draft;
use super::observed::{Observed, trigger as value_of_trigger};
use super::{Cause, Rung, Step, Waiting, objects};

pub(super) fn rung(seen: &Observed, draft: &mut Draft<'_>) -> Rung {
    let Some(spec) = seen.spec() else {
        return match seen.own_cron_job() {
            Some(cron_job) if !cron_job.deleting => Rung::Act(Step::DeleteCronJob),
            _ => Rung::Pass,
        };
    };
    if seen.is_ending() {
        return Rung::Pass;
    }
    let Some(cron_job) = &seen.cron_job else { return Rung::Act(Step::ApplyCronJob) };
    if cron_job.deleting || seen.own_cron_job().is_none() {
        return Rung::Wait(Waiting::Leftover);
    }
    let is_wanted = cron_job.template == objects::digest(seen)
        && cron_job.schedule == objects::schedule(spec)
        && cron_job.time_zone == spec.time_zone
        && cron_job.suspended == objects::is_suspended(seen, spec, draft.now);
    if is_wanted { Rung::Pass } else { Rung::Act(Step::ApplyCronJob) }
}

/// A new value of the annotation makes one Job.
pub(super) fn trigger(seen: &Observed, draft: &mut Draft<'_>) -> Rung {
    let Some(value) = value_of_trigger(seen).filter(|_| seen.spec().is_some() && !seen.is_ending()) else {
        return Rung::Pass;
    };
    if draft.backup.last_trigger.as_deref() == Some(value) {
        return Rung::Pass;
    }
    let cause = Cause::Trigger(value.to_owned());
    let name = objects::job_name(seen, &cause);
    if seen.jobs.iter().any(|job| job.name == name) {
        draft.backup.last_trigger = Some(value.to_owned());
        return Rung::Pass;
    }
    Rung::Act(Step::CreateJob(cause))
}
