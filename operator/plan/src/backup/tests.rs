//! A world that does what the plan says, and what the plan makes of whatever happens in it.

mod rare;
pub(super) mod world;

use super::*;
use api::OperationLock;
use api::conditions::ConditionType;
use api::task::{BackupMade, Keep, Outcome, Pinned, Pruned, Report, Upload, WIRE_VERSION};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use world::{World, at};

/// Bug: the lock is taken after the Job runs, or goes before its outcome is written; or a good backup is not told whole.
#[test]
fn a_scheduled_backup_goes_its_way_and_is_told_to_the_last_field() {
    let mut world = World::new();
    world.rests();
    world.schedules("2026-03-20T03:00:00Z");
    world.runs();
    let steps = world.steps();
    let order = ["TakeLock", "Remember", "CreateTicket", "Grant", "Resume", "NameJob"];
    assert_eq!(steps[1..], order, "{steps:?}");
    world.after(30);
    world.ends(world::good());
    world.rests();
    assert_eq!(world.steps(), ["Remember", "CleanUp", "ReleaseLock", "Remember"]);
    let status = world.status();
    assert_eq!(status.last_backup_name.as_deref(), Some("n/c/2026-03-20T03-00-01Z-00000000.snap"));
    assert_eq!(status.last_backup_size, Some(5));
    assert_eq!(status.last_backup_digest.as_deref(), Some("ab"));
    assert_eq!(status.last_backup_duration.as_deref(), Some("2.5s"));
    assert_eq!(status.server_version.as_deref(), Some("2.7.2"));
    assert_eq!(status.consecutive_failures, Some(0));
    assert_eq!(status.last_attempt_scheduled_time, Some(Time(at("2026-03-20T03:00:00Z"))));
    assert_eq!(status.next_scheduled_backup, Some(Time(at("2026-03-21T03:00:00Z"))));
    assert_eq!(world.condition(ConditionType::BackupHealthy), ("True".to_owned(), "BackupMade".to_owned()));
    assert_eq!(world.condition(ConditionType::BackupScheduled).0, "True");
    assert_eq!(world.told("BackupMade").len(), 1);
    assert_eq!(world.lock(), None);
}

/// Bug: something goes out of the store without a word.
#[test]
fn what_retention_deleted_is_told_and_nothing_else() {
    let mut world = World::new();
    for (name, leftovers, keys) in [("manual-1", 0, vec![]), ("manual-2", 1, vec!["n/c/x.snap".to_owned()])] {
        world.makes(name);
        world.runs();
        world.after(30);
        let mut report = world::good();
        report.backup.as_mut().unwrap().pruned = Pruned { leftovers, keys, ..Pruned::default() };
        world.ends(report);
        world.rests();
    }
    let told = world.told("BackupMade");
    assert!(!told[0].message.contains("Retention"), "{}", told[0].message);
    let text = "Retention deleted 0 backups and 1 leftovers: n/c/x.snap.";
    assert!(told[1].message.contains(text), "{}", told[1].message);
}

/// Bug: a restore that nothing can prove comes as a surprise; or a good backup is called a bad one for it.
#[test]
fn what_is_to_be_known_of_a_good_backup_is_told_with_it() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    let mut report = world::good();
    let made = report.backup.as_mut().unwrap();
    made.remark = Some("The snapshot has no marker.".to_owned());
    made.pruned.remark = Some("Less was deleted.".to_owned());
    world.ends(report);
    world.rests();
    let told = &world.told("BackupMade")[0].message;
    assert!(told.ends_with("stored. The snapshot has no marker. Less was deleted."), "{told}");
    assert_eq!(world.condition(ConditionType::BackupHealthy), ("True".to_owned(), "BackupMade".to_owned()));
}

/// Bug: Jobs are made by a schedule that is suspended, or that another controller follows; or none by one that is not.
#[test]
fn the_cron_job_makes_jobs_only_by_a_schedule_that_goes() {
    for (schedule, suspend, foreign, expected) in [
        (Some("0 3 * * *"), false, false, ("0 3 * * *", false)),
        (Some("0 3 * * *"), true, false, ("0 3 * * *", true)),
        (Some("0 3 * * *"), false, true, ("0 3 * * *", true)),
        (None, false, false, ("@yearly", true)),
    ] {
        let mut world = World::new();
        let spec = world.seen.cluster.spec.backup.as_mut().unwrap();
        (spec.schedule, spec.suspend) = (schedule.map(str::to_owned), suspend);
        if foreign {
            world.is_foreign();
        }
        let cron_job = objects::cron_job(&world.seen, world.now).unwrap().spec.unwrap();
        assert_eq!((cron_job.schedule.as_str(), cron_job.suspend), (expected.0, Some(expected.1)));
    }
}

/// Bug: a failure is counted twice when the operator is restarted between two writes, or not at all.
#[test]
fn each_failure_is_counted_once_and_says_what_to_do() {
    let mut world = World::new();
    for count in 1..=3 {
        world.makes(&format!("manual-{count}"));
        world.runs();
        world.after(30);
        world.ends(world::bad());
        // Each look begins anew, as after a restart.
        world.rests();
        let status = world.status();
        assert_eq!(status.consecutive_failures, Some(count));
        let reason = status.last_failure_reason.unwrap();
        assert!(reason.starts_with("SnapshotTruncated: It ended early. Next: kubectl"), "{reason}");
        assert_eq!(world.condition(ConditionType::BackupHealthy).0, "False");
    }
    assert_eq!(world.told("BackupFailed").len(), 3);
    world.makes("good");
    world.runs();
    world.after(30);
    world.ends(world::good());
    world.rests();
    assert_eq!(world.status().consecutive_failures, Some(0));
}

/// Bug: a pod that never starts, since its Secret or image is missing, keeps the lock for a day.
#[test]
fn a_pod_that_does_not_start_is_given_up_with_its_own_reason() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    world.seen.run.pods.left = true;
    world.seen.run.pods.stuck = Some("ImagePullBackOff: no such image".to_owned());
    world.seen.run.ticket.as_mut().unwrap().beats = false;
    world.after(290);
    world.rests();
    assert!(world.lock().is_some());
    world.steps();
    world.after(20);
    world.rests();
    assert_eq!(world.steps(), ["Fence", "EndJob"]);
    assert!(world.lock().is_some(), "a pod is left");
    world.job_is_gone();
    world.rests();
    assert_eq!(world.lock(), None);
    let reason = world.status().last_failure_reason.unwrap();
    assert!(reason.contains("PodNotStarted") && reason.contains("ImagePullBackOff"), "{reason}");
    assert_eq!(world.status().consecutive_failures, Some(1));
}

/// Bug: a pod that was killed leaves parts in the store that nobody removes.
#[test]
fn what_a_killed_pod_has_begun_is_handed_to_the_next_one() {
    let upload = Upload { key: "n/c/x.snap".to_owned(), id: "i".to_owned() };
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    world.seen.upload = Some(upload.clone());
    world.fails();
    world.rests();
    assert!(world.status().last_failure_reason.unwrap().starts_with("JobFailed"));
    world.makes("manual-2");
    world.runs();
    assert_eq!(world.task().backup.unwrap().unfinished, [upload]);
    world.after(30);
    world.ends(world::good());
    world.rests();
    world.makes("manual-3");
    world.runs();
    assert_eq!(world.task().backup.unwrap().unfinished, []);
}

/// Bug: a marker of a pod that was killed lives on in the cluster for ten years; or one that could not be consumed is
/// forgotten, or handed on for ever.
#[test]
fn markers_are_handed_on_until_they_are_consumed() {
    let mut world = World::new();
    let [killed, stubborn] = [1, 2].map(world::marker);
    let handed = |world: &mut World, name: &str| {
        world.makes(name);
        world.runs();
        world.task().backup.unwrap().unconsumed
    };
    assert_eq!(handed(&mut world, "manual-1"), []);
    world.seen.markers = vec![killed.clone()];
    world.fails();
    world.rests();
    assert_eq!(handed(&mut world, "manual-2"), std::slice::from_ref(&killed));
    // A pod that fails may have consumed some; it is not asked which.
    world.ends(world::bad());
    world.rests();
    assert_eq!(handed(&mut world, "manual-3"), [killed]);
    world.seen.markers = vec![stubborn.clone()];
    world.ends(world::good());
    world.rests();
    assert_eq!(handed(&mut world, "manual-4"), [stubborn]);
    world.ends(world::good());
    world.rests();
    assert_eq!(handed(&mut world, "manual-5"), []);
}

/// Bug: a cluster in which nothing can be consumed fills the ledger, keeps what is long gone, or is planned for without end.
#[test]
fn of_many_markers_the_newest_that_live_are_remembered() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    let mut gone = world::marker(30);
    gone.expires = Time(world.now);
    world.seen.markers = (1..=9).rev().map(world::marker).chain([gone]).collect();
    world.fails();
    world.rests();
    assert_eq!(world.seen.ledger().unconsumed, (2..=9).map(world::marker).collect::<Vec<_>>());
}

/// Bug: skipping never ends, counts as a failure, or takes a Job that somebody made by hand.
#[test]
fn who_waits_too_long_for_the_lock_is_dealt_with() {
    let mut world = World::new();
    world.rests();
    world.is_locked_by("openbaocluster/c", "Upgrade");
    world.schedules("2026-03-20T03:00:00Z");
    world.makes("manual-1");
    assert_eq!(world.rests(), Some(Waiting::Lock));
    world.after(3_590);
    assert_eq!(world.rests(), Some(Waiting::Lock));
    world.after(20);
    assert_eq!(world.rests(), None);
    let refused = world.refused.pop().unwrap();
    assert_eq!((refused.0.as_str(), refused.1.reason), ("manual-1", Reason::LockHeldByOther));
    assert!(refused.1.message.contains("openbaocluster/c"), "{}", refused.1.message);
    let status = world.status();
    assert_eq!(status.last_skipped_time, Some(Time(at("2026-03-20T03:00:00Z"))));
    assert!(status.last_skip_reason.unwrap().contains("openbaocluster/c"));
    assert_eq!(status.consecutive_failures, Some(0));
    assert_eq!(world.told("BackupSkipped").len(), 1);
    assert!(world.seen.jobs.iter().all(|job| job.name == "manual-1"));
}

/// Bug: a Job with the image or the credentials of before runs after they were changed.
#[test]
fn a_stale_job_is_replaced_or_says_why_it_fails() {
    let mut world = World::new();
    world.rests();
    world.is_locked_by("openbaocluster/c", "Upgrade");
    world.schedules("2026-03-20T03:00:00Z");
    world.makes("manual-1");
    world.rests();
    let before = world.seen.jobs[0].name.clone();
    world.seen.cluster.spec.backup.as_mut().unwrap().executor_image = Some("another".to_owned());
    world.rests();
    assert_eq!(world.refused[0].1.reason, Reason::TemplateStale);
    let [manual, scheduled] = &world.seen.jobs[..] else { panic!("{:?}", world.seen.jobs) };
    assert_eq!(manual.name, "manual-1");
    assert_ne!(scheduled.name, before);
    assert_eq!(scheduled.slot, Some(at("2026-03-20T03:00:00Z")));
    let replacement = scheduled.name.clone();
    world.is_free();
    world.runs();
    assert_eq!(world.seen.work().unwrap().job, replacement);
}

/// Bug: a trigger makes two backups, or none after the same value was given before.
#[test]
fn a_new_value_of_the_trigger_makes_one_backup() {
    let mut world = World::new();
    world.annotate("monday");
    world.runs();
    assert_eq!(world.status().last_trigger.as_deref(), Some("monday"));
    world.after(30);
    world.ends(world::good());
    assert_eq!(world.rests(), None);
    assert_eq!(world.seen.jobs.len(), 1);
    world.annotate("tuesday");
    world.runs();
    assert_eq!(world.seen.jobs.len(), 2);
}

/// Bug: an upgrade begins without its snapshot, or each look takes another one.
#[test]
fn one_snapshot_is_taken_before_each_upgrade() {
    let mut world = World::new();
    world.upgrades_to("2.7.2");
    world.rests();
    assert_eq!(world.condition(ConditionType::PreUpgradeSnapshotReady).1, "VersionUnknown");
    world.runs_version("2.7.2");
    world.rests();
    assert_eq!(world.condition(ConditionType::PreUpgradeSnapshotReady).1, "NoUpgrade");
    world.upgrades_to("2.8.0");
    world.runs();
    assert_eq!(world.condition(ConditionType::PreUpgradeSnapshotReady).1, "BackupPending");
    world.after(30);
    world.ends(world::bad());
    world.rests();
    world.after(601);
    world.runs();
    world.after(30);
    world.ends(world::good());
    world.rests();
    assert_eq!(
        world.condition(ConditionType::PreUpgradeSnapshotReady),
        ("True".to_owned(), "BackupMade".to_owned())
    );
    let made = world.status().pre_upgrade.unwrap();
    assert_eq!((made.target_version.as_str(), made.key.is_empty()), ("2.8.0", false));
    assert!(world.task_protects(&made.key));
    world.runs_version("2.8.0");
    world.after(1000);
    assert_eq!(world.rests(), None);
    assert_eq!(world.told("BackupMade").len(), 1);
    world.seen.cluster.spec.upgrade = None;
    world.rests();
    assert_eq!(world.condition(ConditionType::PreUpgradeSnapshotReady), (String::new(), String::new()));
}

/// Bug: a limit that somebody loosens or tightens is not noticed, or is noticed for ever.
#[test]
fn a_tighter_policy_is_told_of_once() {
    let mut world = World::new();
    let keep = |count: u32, tightened| {
        Some(Keep { max_count: Some(count), max_age_seconds: Some(604_800), tightened })
    };
    for (count, expected) in [(7, false), (7, false), (3, true), (3, false), (9, false)] {
        world.seen.cluster.spec.backup.as_mut().unwrap().retention =
            Some(serde_json::from_value(json!({"maxCount": count, "maxAge": "168h"})).unwrap());
        world.makes(&format!("manual-{}-{count}", world.now));
        world.runs();
        assert_eq!(world.task().backup.unwrap().keep, keep(count, expected), "{count}");
        world.after(30);
        world.ends(world::good());
        world.rests();
    }
}

/// Bug: a restore that takes the lock leaves a backup that nobody cleans up after, or one that still runs.
#[test]
fn a_backup_whose_lock_was_overridden_is_written_down_and_cleaned_up_after() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    world.job_is_gone();
    world.is_locked_by("openbao-recovery/restore/dr/u", "Restore");
    world.rests();
    assert!(world.status().last_failure_reason.unwrap().starts_with("LockOverridden"));
    assert_eq!(world.lock().unwrap().holder, "openbao-recovery/restore/dr/u");
    assert!(world.seen.run.ticket.is_none() && world.seen.ledger().attempt.is_none());
}

/// Bug: two controllers back one cluster up; or Jobs of others are taken for ours.
#[test]
fn another_controller_stops_backups_and_jobs_of_others_stay() {
    let mut world = World::new();
    world.rests();
    world.makes("theirs");
    world.seen.jobs[0].controller = Some("another".to_owned());
    assert_eq!(world.rests(), None);
    assert_eq!(world.seen.strangers().count(), 1);
    world.makes("ours");
    world.is_foreign();
    assert_eq!(world.rests(), Some(Waiting::ForeignController));
    assert_eq!(world.seen.cron_job.as_ref().unwrap().spec.suspend, Some(true));
    assert!(world.seen.jobs.iter().all(|job| job.suspended));
}

/// Bug: what the cluster no longer wants goes on, or goes away in the middle of its work.
#[test]
fn without_a_word_of_backups_the_cron_job_goes_once_nothing_is_at_work() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    world.seen.cluster.spec.backup = None;
    assert_eq!(world.rests(), Some(Waiting::Backup));
    assert!(world.seen.cron_job.is_some());
    world.ends(world::good());
    world.rests();
    assert!(world.seen.cron_job.is_none());
    assert_eq!(world.condition(ConditionType::BackupScheduled).1, "NotConfigured");
}

/// Bug: a cluster of somebody who never asked for backups is written to.
#[test]
fn a_cluster_that_says_nothing_of_backups_is_left_alone() {
    let mut world = World::new();
    world.seen.cluster.spec.backup = None;
    assert_eq!(world.rests(), None);
    assert_eq!(world.steps(), Vec::<String>::new());
    assert_eq!(world.seen.cluster.status, None);
}
