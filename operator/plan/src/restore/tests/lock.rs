//! The lock: lost, overridden, kept from a pod that does not start.

use super::*;

fn held(holder: &str, operation: &str) -> OperationLock {
    OperationLock { holder: holder.to_owned(), operation: operation.to_owned(), ..OperationLock::default() }
}

/// A request that may override, before the lock of somebody else.
fn overriding(holder: &str, rival: Option<Rival>) -> World {
    let mut world = World::new(Ended::Done, Ended::Done);
    world.seen.request.spec.force = true;
    world.seen.request.spec.override_operation_lock = true;
    *world.lock() = Some(held(holder, "Restore"));
    world.seen.rival = rival;
    world
}

const RIVAL: &str = "openbao-recovery/restore/other/u-2";

fn ticket(holder: Option<&str>) -> TicketSeen {
    TicketSeen { uid: "t-2".to_owned(), holder: holder.map(str::to_owned), ..TicketSeen::default() }
}

fn restore(ticket: Option<TicketSeen>, recorded: Option<&str>) -> Rival {
    Rival::Restore { over: false, recorded: recorded.map(str::to_owned), ticket, pods_left: true }
}

fn position(world: &World, step: &Step) -> Option<usize> {
    world.steps.iter().position(|taken| taken == step)
}

/// Bug: the rival makes ticket and Job between our look at it and our swap of the lock.
#[test]
fn a_ticket_that_is_not_there_yet_is_fenced_too() {
    let mut world = overriding(RIVAL, Some(restore(None, None)));
    world.settle();
    assert!(position(&world, &Step::FenceRival).unwrap() < position(&world, &Step::TakeLock).unwrap());
    let over = Rival::Restore { over: true, recorded: None, ticket: Some(ticket(None)), pods_left: false };
    let mut world = overriding(RIVAL, Some(over));
    world.settle();
    assert!(position(&world, &Step::FenceRival).unwrap() < position(&world, &Step::TakeLock).unwrap());
}

/// Bug: the lock changes hands while the pod of its former holder may still post.
#[test]
fn a_restore_of_ours_is_fenced_before_its_lock_is_overridden() {
    let mut world = overriding(RIVAL, Some(restore(Some(ticket(None)), Some("t-2"))));
    world.settle();
    assert_eq!(world.phase(), Phase::Completed);
    let fenced = position(&world, &Step::FenceRival).unwrap();
    assert!(fenced < position(&world, &Step::TakeLock).unwrap(), "{:?}", world.steps);

    for (case, rival) in [
        ("a pod has claimed", restore(Some(ticket(Some("pod"))), Some("t-2"))),
        ("the recorded ticket is gone", restore(None, Some("t-2"))),
        ("another ticket bears its name", restore(Some(ticket(Some("operator/Abandoned"))), Some("t-1"))),
        (
            "it is over, and its pod is not",
            Rival::Restore { over: true, recorded: None, ticket: None, pods_left: true },
        ),
    ] {
        let mut world = overriding(RIVAL, Some(rival));
        let last = world.settle();
        assert_eq!(last.waiting, Some(Waiting::Rival), "{case}");
        assert!(last.status.message.unwrap().contains(RIVAL), "{case}");
        assert!(!world.steps.contains(&Step::TakeLock), "{case}");
    }
}

#[test]
fn a_restore_of_ours_that_cannot_act_is_overridden_at_once() {
    for (case, rival) in [
        ("its ticket is fenced", restore(Some(ticket(Some("operator/LockLost"))), Some("t-2"))),
        ("it is over", Rival::Restore { over: true, recorded: None, ticket: None, pods_left: false }),
    ] {
        let mut world = overriding(RIVAL, Some(rival));
        world.settle();
        assert_eq!(world.phase(), Phase::Completed, "{case}");
        assert!(!world.steps.contains(&Step::FenceRival), "{case}");
    }
}

#[test]
fn a_backup_of_ours_is_ended_before_its_lock_is_overridden() {
    let job = JobSeen { uid: "j-2".to_owned(), ..JobSeen::default() };
    let rival = Rival::Backup { job: Some(job), pods_left: true };
    let mut world = overriding("openbao-recovery/backup/b/j-2", Some(rival));
    world.settle();
    assert_eq!(world.phase(), Phase::Completed);
    assert!(position(&world, &Step::EndRival).unwrap() < position(&world, &Step::TakeLock).unwrap());
    let ending = JobSeen { uid: "j-2".to_owned(), deleting: true, ..JobSeen::default() };
    for rival in
        [Rival::Backup { job: Some(ending), pods_left: false }, Rival::Backup { job: None, pods_left: true }]
    {
        let mut world = overriding("openbao-recovery/backup/b/j-2", Some(rival));
        assert_eq!(world.settle().waiting, Some(Waiting::Rival));
    }
}

#[test]
fn a_foreign_lock_is_overridden_with_a_warning_and_only_where_asked() {
    let mut world = overriding("openbaocluster/upgrade", None);
    world.seen.request.spec.override_operation_lock = false;
    assert_eq!(world.settle().waiting, Some(Waiting::Lock));
    world.seen.request.spec.override_operation_lock = true;
    while world.phase() != Phase::Running {
        world.look(start());
    }
    assert_eq!(world.condition("LockHeld"), ("True".to_owned(), "LockOverridden".to_owned()));
    let message = &world.seen.request.status.as_ref().unwrap().conditions;
    let held = message.iter().find(|condition| condition.type_ == "LockHeld").unwrap();
    assert!(held.message.contains("openbaocluster/upgrade"), "{}", held.message);
    let told = transitions::transitions(None, world.seen.request.status.as_ref().unwrap());
    assert!(told.iter().any(|it| it.reason == "LockOverridden" && it.warning));
    world.settle();
    assert_eq!(world.phase(), Phase::Completed);
}

/// Bug: whoever lost the lock acts all the same.
#[test]
fn a_lost_lock_ends_a_restore_that_has_not_acted() {
    for lost in [None, Some(held("somebody", "Upgrade"))] {
        let mut world = World::new(Ended::Done, Ended::Done);
        while world.phase() != Phase::Running {
            world.look(start());
        }
        *world.lock() = lost;
        world.settle();
        assert_eq!((world.phase(), world.condition("Finished").1.as_str()), (Phase::Failed, "LockLost"));
        assert!(world.steps.contains(&Step::Fence(Reason::LockLost)));
        assert!(!world.steps.contains(&Step::CreateJob(Stage::Restore)));
        assert_eq!(world.released, 0, "it was not ours to release");
    }
}

/// A Job that exists, and whose pod has not been heard of.
fn unstarted(stage: Stage) -> World {
    let mut world = World::new(Ended::Done, Ended::Done);
    while !world.steps.contains(&Step::CreateJob(stage)) {
        world.look(start());
    }
    let run = world.run(stage);
    run.job.as_mut().unwrap().created = Some(start());
    run.ticket.as_mut().unwrap().job = Some("j".to_owned());
    run.pods = PodsSeen {
        left: true,
        stuck: Some("ImagePullBackOff: no such image".to_owned()),
        ..PodsSeen::default()
    };
    world
}

#[test]
fn a_pod_that_does_not_start_is_given_up() {
    for stage in [Stage::Check, Stage::Restore] {
        let mut world = unstarted(stage);
        assert!(world.look(start() + 299.seconds()).waiting.is_some(), "{stage:?}: too early");
        for _ in 0..20 {
            world.look(start() + 300.seconds());
        }
        assert_eq!(
            (world.phase(), world.condition("Finished").1.as_str()),
            (Phase::Failed, "PodNotStarted"),
            "{stage:?}"
        );
        let message = world.seen.request.status.clone().unwrap().message.unwrap();
        assert!(message.contains("no such image"), "{stage:?}: {message}");
        assert!(world.steps.contains(&Step::DeleteJob(stage)), "{stage:?}: nothing leaks");
        assert!(world.lock().is_none(), "{stage:?}: the lock is free");
    }
    let mut world = unstarted(Stage::Restore);
    world.seen.restore.ticket.as_mut().unwrap().beats = true;
    assert_eq!(world.look(start() + 300.seconds()).waiting, Some(Waiting::Restore), "it lives");
}

#[test]
fn another_controller_is_waited_for_until_it_has_been_silent() {
    let mut world = World::new(Ended::Done, Ended::Done);
    let mut lock = held("openbaobackup/nightly", "Backup");
    lock.acquired_at = Some(Time(start()));
    *world.lock() = Some(lock);
    assert_eq!(world.settle().waiting, Some(Waiting::ForeignController));
    assert_eq!(world.condition("ClusterResolved").1, "ForeignController");
    assert!(world.look(start() + 9.minutes()).waiting == Some(Waiting::ForeignController));
    let later = world.look(start() + 10.minutes());
    assert_ne!(later.waiting, Some(Waiting::ForeignController));
}

/// Bug: what was changed after it was judged is run, where no webhook forbids the change.
#[test]
fn a_request_that_was_changed_while_running_gets_no_job() {
    for (deleted, generation, phase) in
        [(false, 2, Phase::Failed), (true, 2, Phase::Completed), (true, 3, Phase::Failed)]
    {
        let mut world = World::new(Ended::Done, Ended::Done);
        while world.phase() != Phase::Running {
            world.look(start());
        }
        let metadata = &mut world.seen.request.metadata;
        metadata.generation = Some(generation);
        metadata.deletion_timestamp = deleted.then(|| Time(start()));
        world.settle();
        assert_eq!(world.phase(), phase, "{deleted} {generation}");
    }
}

/// Bug: a copy of the cluster's objects from days ago runs what was asked for then.
#[test]
fn nothing_is_made_after_the_last_moment_for_a_claim() {
    let mut world = World::new(Ended::Done, Ended::Done);
    while world.phase() != Phase::Running {
        world.look(start());
    }
    for _ in 0..20 {
        world.look(start() + 48.hours());
    }
    assert_eq!((world.phase(), world.condition("Finished").1.as_str()), (Phase::Failed, "DeadlineExceeded"));
    assert!(!world.steps.contains(&Step::CreateJob(Stage::Restore)));
}

#[test]
fn finalizer_and_mark_are_put_back_while_it_runs() {
    let mut world = World::new(Ended::Done, Ended::Done);
    while world.phase() != Phase::Running {
        world.look(start());
    }
    world.steps.clear();
    world.seen.request.metadata.finalizers = None;
    world.seen.request.metadata.annotations = None;
    world.look(start());
    assert_eq!(world.steps, [Step::Guard]);
}
