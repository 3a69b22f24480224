//! The plan is driven against a world of values: each step is applied as the API server would, and planned again.

mod doubt;
mod lock;
mod world;

pub(super) use world::{World, seen, start};
use world::{claimed, proof_report, report, request};

use super::*;
use api::task::{Outcome as Ended, Pinned, Problem, Report, StageFinding, WIRE_VERSION};
use api::{OpenBaoCluster, OpenBaoRestore, OperationLock, Phase, names};
use jiff::ToSpan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

#[test]
fn a_restore_runs_once_and_leaves_nothing_behind() {
    let mut world = World::new(Ended::Done, Ended::Done);
    world.settle();
    assert_eq!(world.phase(), Phase::Completed);
    let order: Vec<_> = world.steps.iter().map(|step| format!("{step:?}")).collect();
    let expected = [
        "Guard",
        "CreateTicket(Check)",
        "Grant(Check)",
        "CreateJob(Check)",
        "NameJob",
        "TakeArbiter",
        "TakeLock",
        "CreateTicket(Restore)",
        "Grant(Restore)",
        "CreateJob(Restore)",
        "NameJob",
        "Record(Applied)",
        "ReleaseLock",
        "ReleaseArbiter",
        "Retire(Check)",
        "Retire(Restore)",
        "Free",
    ];
    assert_eq!(order.len(), expected.len(), "{order:?}");
    assert!(order.iter().zip(expected).all(|(step, start)| step.starts_with(start)), "{order:?}");
    assert_eq!(world.condition("LockReleased").0, "True");
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "Proved".to_owned()));
    assert_eq!(world.condition("Finished").0, "True");
}

/// The status is written before the step: a crash between them must be made good by the next look.
#[test]
fn a_lost_step_is_taken_again_at_every_point() {
    for lost in 0..17 {
        let mut world = World::new(Ended::Done, Ended::Done);
        for _ in 0..lost {
            world.look(start());
        }
        let interrupted = plan(&world.seen, start());
        world.seen.request.status = Some(interrupted.status);
        world.settle();
        assert_eq!(world.phase(), Phase::Completed, "step {lost} lost: {:?}", world.steps);
        let jobs = world.steps.iter().filter(|step| **step == Step::CreateJob(Stage::Restore)).count();
        assert_eq!(jobs, 1, "step {lost} lost");
    }
}

#[test]
fn a_failed_check_takes_no_lock() {
    let mut world = World::new(Ended::Refused, Ended::Done);
    world.settle();
    assert_eq!(world.phase(), Phase::Failed);
    assert!(
        !world.steps.contains(&Step::TakeLock) && !world.steps.contains(&Step::CreateJob(Stage::Restore))
    );
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "CheckFailed".to_owned()));
    let message = world.seen.request.status.unwrap().message.unwrap();
    assert!(
        message.contains("The object is not there.") && message.contains("Nothing was touched"),
        "{message}"
    );
}

#[test]
fn an_unknown_outcome_keeps_the_lock_and_is_recorded() {
    let mut world = World::new(Ended::Done, Ended::Unknown);
    let last = world.settle();
    assert_eq!((world.phase(), last.waiting), (Phase::Running, Some(Waiting::Outcome)));
    assert_eq!((world.released, world.seen.recorded()), (0, Some("unknown")));
    assert_eq!(world.condition("Applied").0, "Unknown");
    assert_eq!(
        (world.condition("Stalled").0.as_str(), world.condition("Reconciling").0.as_str()),
        ("True", "False")
    );
}

#[test]
fn a_lock_of_somebody_else_is_waited_for_by_name_until_the_deadline() {
    let mut world = World::new(Ended::Done, Ended::Done);
    let theirs = OperationLock {
        operation: "Upgrade".to_owned(),
        holder: "openbaocluster/upgrade".to_owned(),
        ..OperationLock::default()
    };
    *world.lock() = Some(theirs);
    let last = world.settle();
    assert_eq!((world.phase(), last.waiting), (Phase::Validating, Some(Waiting::Lock)));
    assert!(last.status.message.unwrap().contains("openbaocluster/upgrade"));

    let late = plan(&world.seen, start() + 61.minutes());
    assert_eq!((late.status.phase, late.step), (Phase::Failed, None));
    *world.lock() = None;
    world.settle();
    assert_eq!(world.phase(), Phase::Completed);
}

#[test]
fn a_deleted_restore_job_is_fenced_and_never_made_again() {
    for (holder, phase) in [(None, Phase::Failed), (Some("pod".to_owned()), Phase::Running)] {
        let mut world = World::new(Ended::Done, Ended::Done);
        while !world.steps.contains(&Step::CreateJob(Stage::Restore)) {
            world.look(start());
        }
        world.seen.restore.job = None;
        let ticket = world.seen.restore.ticket.as_mut().unwrap();
        ticket.claim = None;
        ticket.job = Some("j".to_owned());
        ticket.holder = holder;
        world.steps.clear();
        world.settle();
        assert_eq!(world.phase(), phase);
        assert!(!world.steps.contains(&Step::CreateJob(Stage::Restore)), "{:?}", world.steps);
    }
}

/// A rollback or a hand could remove it; whether the pod had claimed it is then not known.
#[test]
fn a_missing_ticket_counts_as_claimed() {
    let mut world = World::new(Ended::Done, Ended::Done);
    while world.phase() != Phase::Running {
        world.look(start());
    }
    world.seen.restore.ticket = None;
    let last = world.settle();
    assert_eq!((world.phase(), last.waiting), (Phase::Running, Some(Waiting::Outcome)));
    assert!(!world.steps[world.steps.len() - 1..].contains(&Step::CreateTicket(Stage::Restore)));
}

/// A run of the same intent.
fn record(uid: &str) -> api::cluster::RestoreRecord {
    let intent_digest = api::intent::digest(&request());
    api::cluster::RestoreRecord { uid: uid.to_owned(), intent_digest, ..Default::default() }
}

#[test]
fn what_was_requested_before_does_not_run_again() {
    let mut copied = World::new(Ended::Done, Ended::Done);
    copied.seen.request.metadata.annotations =
        Some([(names::REQUEST_UID.to_owned(), "another".to_owned())].into());
    copied.settle();
    assert_eq!(copied.condition("Finished").1, "AlreadyRequested");

    let mut recreated = World::new(Ended::Done, Ended::Done);
    recreated.seen.cluster.as_mut().unwrap().status.as_mut().unwrap().restores.push(record("u-0"));
    let mut again = World::new(Ended::Done, Ended::Done);
    again.seen = recreated.seen.clone();
    recreated.settle();
    assert_eq!(recreated.condition("Finished").1, "AlreadyRequested");

    again.seen.request.metadata.annotations = Some([(names::AGAIN.to_owned(), "u-0".to_owned())].into());
    again.settle();
    assert_eq!(again.phase(), Phase::Completed);
}

/// Bug: an export that got a new name is refused for ever, or one that kept its own, also of a release that wrote no name,
/// runs where nothing is recorded.
#[test]
fn a_copy_runs_under_a_new_name_only() {
    for (name, phase) in
        [(Some("another"), Phase::Completed), (Some("dr"), Phase::Failed), (None, Phase::Failed)]
    {
        let mut world = World::new(Ended::Done, Ended::Done);
        let exported = [(names::REQUEST_UID, Some("u-0")), (names::REQUEST_NAME, name)];
        let exported =
            exported.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
        world.seen.request.metadata.annotations = Some(exported.collect());
        world.settle();
        assert_eq!(world.phase(), phase, "{name:?}");
        let refused = world.condition("Finished").1 == "AlreadyRequested";
        assert_eq!(refused, phase == Phase::Failed, "{name:?}");
        let is_guarded = world.steps.contains(&Step::Guard);
        let uid = world.seen.annotation(names::REQUEST_UID);
        assert_eq!((is_guarded, uid), if refused { (false, Some("u-0")) } else { (true, Some("u-1")) });
    }
}

/// Bug: the message tells to annotate the copy, and the annotated copy is refused like the first; or any word will do.
#[test]
fn a_copy_runs_again_by_the_uid_of_the_latest_run_only() {
    for (recorded, again, phase) in [
        (None, "u-0", Phase::Completed),
        (None, "u-other", Phase::Failed),
        (Some("u-0"), "u-0", Phase::Completed),
        (Some("u-later"), "u-0", Phase::Failed),
        (Some("u-later"), "u-later", Phase::Completed),
    ] {
        let mut world = World::new(Ended::Done, Ended::Done);
        let copied = [(names::REQUEST_UID, "u-0"), (names::REQUEST_NAME, "dr"), (names::AGAIN, again)];
        let copied = copied.map(|(key, value)| (key.to_owned(), value.to_owned()));
        world.seen.request.metadata.annotations = Some(copied.into());
        world.seen.cluster.as_mut().unwrap().status.as_mut().unwrap().restores.extend(recorded.map(record));
        world.settle();
        assert_eq!(world.phase(), phase, "{recorded:?} {again}");
        let message = world.seen.request.status.unwrap().message.unwrap();
        let latest = format!("{}: {}.", names::AGAIN, recorded.unwrap_or("u-0"));
        assert_eq!(message.contains(&latest), phase == Phase::Failed, "{message}");
    }
}

/// Bug: a tool that replaces the object takes one of the two away, and what is copied of it later is not known as a copy.
#[test]
fn both_annotations_are_put_back() {
    for gone in [names::REQUEST_UID, names::REQUEST_NAME] {
        let mut world = World::new(Ended::Done, Ended::Done);
        world.look(start());
        let guarded = world.seen.request.metadata.annotations.clone();
        world.seen.request.metadata.annotations.as_mut().unwrap().remove(gone);
        world.look(start());
        assert_eq!(world.steps, [Step::Guard, Step::Guard], "{gone}");
        assert_eq!(world.seen.request.metadata.annotations, guarded);
    }
}

#[test]
fn what_must_not_start_does_not() {
    type Change = fn(&mut Observed);
    let cases: [(&str, Change); 4] = [
        ("SpecRefused", |seen| seen.judgement = Some("It names no authentication.".to_owned())),
        ("NamespaceTerminating", |seen| seen.namespace_terminating = true),
        ("Cancelled", |seen| {
            seen.request.metadata.deletion_timestamp = seen.request.metadata.creation_timestamp.clone();
        }),
        ("GenerationChanged", |seen| {
            seen.request.status =
                Some(api::OpenBaoRestoreStatus { accepted_generation: Some(0), ..Default::default() });
        }),
    ];
    for (reason, change) in cases {
        let mut world = World::new(Ended::Done, Ended::Done);
        change(&mut world.seen);
        world.settle();
        assert_eq!((world.phase(), world.condition("Finished").1.as_str()), (Phase::Failed, reason));
        assert!(
            !world.steps.iter().any(|step| matches!(step, Step::CreateJob(_) | Step::TakeLock)),
            "{reason}"
        );
    }
}

#[test]
fn a_cluster_that_is_not_there_yet_is_waited_for() {
    let mut world = World::new(Ended::Done, Ended::Done);
    let cluster = world.seen.cluster.take();
    assert_eq!(world.settle().waiting, Some(Waiting::Cluster));
    assert_eq!(world.phase(), Phase::Pending);
    world.seen.cluster = cluster;
    world.settle();
    assert_eq!(world.phase(), Phase::Completed);
}
