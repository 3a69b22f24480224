//! What happens between two steps, or twice within a second.

use super::world::{World, at, bad, good};
use super::*;

/// Its lock is taken, and nothing else is done for it yet.
fn locked() -> World {
    let mut world = World::new();
    world.makes("manual-1");
    world.is_locked_by("openbao-recovery/backup/manual-1/u-1", "Backup");
    world.steps();
    world
}

/// Bug: the lock is given back while the pod of the backup is still on its way out.
#[test]
fn a_report_is_not_the_end_of_its_pod() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    world.seen.run.ticket.as_mut().unwrap().report = Some(good());
    world.steps();
    assert_eq!(world.rests(), Some(Waiting::Pods));
    assert_eq!(world.steps(), Vec::<String>::new());
    assert!(world.lock().is_some());
    world.ends(good());
    world.rests();
    assert_eq!(world.lock(), None);
}

/// Bug: a Job that somebody deletes is told as one that a restore ended, or leaves its ticket where its rights are gone.
#[test]
fn a_job_that_is_deleted_is_told_so_and_leaves_nothing() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    world.job_is_gone();
    world.seen.run.granted = false;
    world.rests();
    assert!(world.status().last_failure_reason.unwrap().starts_with("JobDeleted"));
    assert_eq!((world.lock(), &world.seen.run.ticket), (None, &None));
}

/// Bug: something is made in a namespace that goes away, or a backup begins that nobody wants any more.
#[test]
fn a_job_is_ended_that_has_not_begun_when_its_reason_goes() {
    let mut world = locked();
    world.seen.namespace_terminating = true;
    assert_eq!(world.rests(), Some(Waiting::Pods));
    assert_eq!(world.steps(), ["Remember", "EndJob"]);

    let mut world = locked();
    world.seen.cluster.spec.backup = None;
    assert_eq!(world.rests(), Some(Waiting::Pods));
    assert_eq!(world.steps(), ["Remember", "CreateTicket", "Grant", "EndJob"]);
}

/// Bug: an attempt of the same second is taken for the one before, and is not written down.
#[test]
fn two_failures_of_one_second_are_two() {
    let mut world = World::new();
    world.makes("manual-1");
    world.makes("manual-2");
    for count in 1..=2 {
        world.runs();
        world.ends(bad());
        world.rests();
        assert_eq!(world.status().consecutive_failures, Some(count));
    }
}

/// Bug: Jobs of a short schedule pile up, since each waits an hour.
#[test]
fn a_scheduled_job_waits_half_of_its_period() {
    let mut world = World::new();
    world.seen.cluster.spec.backup.as_mut().unwrap().schedule = Some("*/10 * * * *".to_owned());
    world.rests();
    world.is_locked_by("openbaocluster/c", "Upgrade");
    world.schedules("2026-03-20T03:00:00Z");
    world.after(290);
    assert_eq!(world.rests(), Some(Waiting::Lock));
    world.after(20);
    assert_eq!(world.rests(), None);
    assert_eq!(world.status().last_skipped_time, Some(Time(at("2026-03-20T03:00:00Z"))));
    assert_eq!(world.seen.jobs, []);
}
