//! The `CronJob` as the cluster wants it, and the Job of a trigger.

use super::draft::Draft;
use super::observed::{Observed, trigger as value_of_trigger};
use super::{Cause, Rung, Step, Waiting, objects};
use serde_json::{Value, json};

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
    if cron_job.deleting || seen.is_kept_out() {
        return Rung::Wait(Waiting::Leftover);
    }
    let wanted = objects::cron_job_spec(seen, spec, draft.now);
    let is_wanted =
        cron_job.template == objects::digest(seen) && covers(&json!(cron_job.spec), &json!(wanted));
    if is_wanted { Rung::Pass } else { Rung::Act(Step::ApplyCronJob) }
}

/// Whether everything that is wanted is there; what the API server and others have added does not matter.
fn covers(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            // Of pods the digest tells: the API server and others' webhooks write them in another form than ours.
            key == "template" || covers(there.get(key).unwrap_or(&Value::Null), wanted)
        }),
        (Value::Array(there), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| there.iter().any(|there| covers(there, wanted)))
        }
        _ => there == wanted,
    }
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
