//! What happens between two steps, or twice within a second.

use super::world::{World, at, bad, good};
use super::*;
use k8s_openapi::api::batch::v1::CronJobSpec;

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
    world.seen.companions.retain(|companion| companion.kind == CompanionKind::Ticket);
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

/// Bug: whoever may make Jobs has the operator hand out, or delete, a Role or a Lease of somebody else.
#[test]
fn what_is_not_of_a_backup_is_neither_used_nor_deleted() {
    for (request, owner) in [(None, Some("c-1")), (Some("u-1"), None), (Some("u-1"), Some("another"))] {
        let mut world = locked();
        let theirs = Companion {
            kind: CompanionKind::Role,
            uid: "theirs".to_owned(),
            request: request.map(str::to_owned),
            owner: owner.map(str::to_owned),
        };
        world.seen.companions.push(theirs.clone());
        world.rests();
        assert_eq!(world.steps(), ["Remember", "EndJob", "ReleaseLock", "Remember"]);
        let reason = world.status().last_failure_reason.unwrap();
        assert!(reason.starts_with("LeftoverExists: Role manual-1 is there"), "{reason}");
        assert_eq!((world.lock(), &world.seen.companions[..]), (None, &[theirs][..]));
    }
}

/// Bug: what an earlier Job of that name left is taken for this one's: its outcome is told again, or nothing ever begins.
#[test]
fn what_an_earlier_job_of_the_name_has_left_goes_first() {
    let mut world = locked();
    let left = |kind| Companion {
        kind,
        uid: "old".to_owned(),
        request: Some("old".to_owned()),
        owner: Some("c-1".to_owned()),
    };
    world.seen.companions.extend([left(CompanionKind::Role), left(CompanionKind::Ticket)]);
    world.runs();
    assert_eq!(world.steps(), ["Remember", "CleanUp", "CreateTicket", "Grant", "Resume", "NameJob"]);
    assert!(world.seen.companions.iter().all(|companion| companion.uid != "old"));
}

/// Bug: the `CronJob` is deleted in the middle of a backup, and its ticket stays for whoever has its name next.
#[test]
fn nothing_is_left_where_nothing_can_be_remembered() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    world.seen.cron_job = None;
    world.job_is_gone();
    let plans = world.rests();
    assert_eq!((plans, world.lock(), &world.seen.companions[..]), (None, None, &[][..]));
    assert!(world.status().last_failure_reason.unwrap().starts_with("JobDeleted"));
}

/// Bug: a Job that somebody suspends in the middle of its work keeps the lock for ever.
#[test]
fn a_job_that_is_suspended_in_the_middle_is_ended() {
    for has_spoken in [false, true] {
        let mut world = World::new();
        world.makes("manual-1");
        world.runs();
        world.steps();
        world.seen.jobs[0].suspended = true;
        world.seen.run.pods.left = has_spoken;
        if has_spoken {
            world.seen.run.ticket.as_mut().unwrap().report = Some(bad());
        }
        assert_eq!(world.rests(), Some(Waiting::Pods));
        assert_eq!(world.steps(), ["EndJob"]);
        world.job_is_gone();
        world.rests();
        assert_eq!((world.lock(), world.status().consecutive_failures), (None, Some(1)));
    }
}

/// Bug: a backup begins beside the restore that was given its lock.
#[test]
fn a_job_that_has_lost_its_lock_does_not_begin() {
    let mut world = locked();
    let plan = plan(&world.seen, world.now);
    let Some(Step::Remember(ledger)) = plan.step else { panic!("{plan:?}") };
    world.seen.cron_job.as_mut().unwrap().ledger = ledger;
    world.look_at_run();
    world.is_locked_by("openbao-recovery/restore/dr/u", "Restore");
    assert_eq!(world.rests(), Some(Waiting::Pods));
    assert_eq!(world.steps(), ["EndJob"]);
    world.job_is_gone();
    world.rests();
    assert!(world.status().last_failure_reason.unwrap().starts_with("LockOverridden"));
}

/// Bug: a pod is given up as late although its Job was resumed only now.
#[test]
fn a_pod_is_late_only_after_its_job_was_resumed() {
    let mut world = World::new();
    world.makes("manual-1");
    world.runs();
    world.seen.run.ticket.as_mut().unwrap().beats = false;
    world.seen.run.ticket.as_mut().unwrap().created = Some(world.now - SignedDuration::from_hours(1));
    assert_eq!(world.rests(), Some(Waiting::Backup));
    world.seen.run.job.as_mut().unwrap().started = None;
    world.after(301);
    assert_eq!(world.rests(), Some(Waiting::Backup));
}

/// Bug: somebody edits the `CronJob`, and no backup is made any more without a word.
#[test]
fn an_edited_cron_job_is_put_right() {
    type Edit = fn(&mut CronJobSpec);
    let edits: [Edit; 7] = [
        |spec| spec.suspend = Some(true),
        |spec| spec.schedule = "@hourly".to_owned(),
        |spec| spec.time_zone = None,
        |spec| spec.concurrency_policy = Some("Allow".to_owned()),
        |spec| spec.starting_deadline_seconds = None,
        |spec| spec.job_template.spec.as_mut().unwrap().suspend = Some(false),
        |spec| spec.job_template.metadata.as_mut().unwrap().labels = None,
    ];
    let mut world = World::new();
    world.rests();
    let wanted = world.seen.cron_job.clone().unwrap();
    world.steps();
    for (index, edit) in edits.iter().enumerate() {
        edit(&mut world.seen.cron_job.as_mut().unwrap().spec);
        world.rests();
        assert_eq!((world.steps().len(), world.seen.cron_job.as_ref()), (1, Some(&wanted)), "{index}");
    }
    // What the API server adds is nobody's edit.
    let spec = &mut world.seen.cron_job.as_mut().unwrap().spec;
    let pod = spec.job_template.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    pod.dns_policy = Some("ClusterFirst".to_owned());
    pod.containers[0].image_pull_policy = Some("Always".to_owned());
    world.rests();
    assert_eq!(world.steps(), Vec::<String>::new());
}

/// Bug: a `CronJob` of somebody else stands where ours would, and the status tells of the next backup.
#[test]
fn a_cron_job_of_somebody_else_is_told_of() {
    let mut world = World::new();
    world.seen.cron_job = Some(CronJobSeen { owner: Some("another".to_owned()), ..CronJobSeen::default() });
    assert_eq!(world.rests(), Some(Waiting::Leftover));
    let scheduled = world.condition(ConditionType::BackupScheduled);
    assert_eq!(scheduled, ("False".to_owned(), "LeftoverExists".to_owned()));
    assert_eq!(world.status().next_scheduled_backup, None);
}

/// Bug: a snapshot before an upgrade that cannot be taken is tried without a pause, and nobody else ever has a turn.
#[test]
fn a_snapshot_before_an_upgrade_that_fails_lets_others_by() {
    let mut world = World::new();
    world.runs_version("2.7.2");
    world.upgrades_to("2.8.0");
    world.runs();
    world.makes("manual-1");
    world.job_is_gone();
    world.after(301);
    world.runs();
    assert_eq!(world.seen.work().unwrap().job, "manual-1");
    world.ends(bad());
    world.rests();
    world.after(601);
    world.runs();
    assert_ne!(world.seen.work().unwrap().job, "manual-1");
}

/// Bug: an upgrader waits for a snapshot that nobody will ever take, and nothing says why.
#[test]
fn an_upgrade_without_backups_is_told_that_no_snapshot_comes() {
    let mut world = World::new();
    world.seen.cluster.spec.backup = None;
    world.upgrades_to("2.8.0");
    world.rests();
    let ready = world.condition(ConditionType::PreUpgradeSnapshotReady);
    assert_eq!((ready, world.steps()), (("False".to_owned(), "NotConfigured".to_owned()), Vec::new()));
}

/// Bug: a Job before an upgrade that waited while the image changed is run with the old one.
#[test]
fn a_snapshot_before_an_upgrade_is_taken_as_the_cluster_says_now() {
    let mut world = World::new();
    world.runs_version("2.7.2");
    world.is_locked_by("openbaocluster/c", "Upgrade");
    world.upgrades_to("2.8.0");
    world.rests();
    world.seen.cluster.spec.backup.as_mut().unwrap().executor_image = Some("another".to_owned());
    world.rests();
    assert_eq!((world.refused.len(), world.seen.jobs.len()), (0, 1));
    assert_eq!(world.seen.jobs[0].template, objects::digest(&world.seen));
}

/// Bug: what the API server leaves out of a stored pod, as an empty value, is put right again and again, and no backup is
/// ever made.
#[test]
fn a_pod_that_is_stored_in_another_form_is_no_edit() {
    let mut world = World::new();
    world.seen.installation.networks = String::new();
    world.rests();
    world.steps();
    let spec = &mut world.seen.cron_job.as_mut().unwrap().spec;
    let pod = spec.job_template.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    for variable in pod.containers[0].env.iter_mut().flatten() {
        variable.value = None;
    }
    pod.containers[0].image = Some("image@sha256:0".to_owned());
    world.rests();
    assert_eq!(world.steps(), Vec::<String>::new());
}
