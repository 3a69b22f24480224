//! Nobody knows whether the snapshot was applied, or a human gives a request up.

use super::*;
use api::conditions::ConditionType;
use api::task::{Answer, Answered};

/// A restore whose pod claimed its ticket and is gone without a word.
fn silent() -> World {
    let mut world = World::new(Ended::Done, Ended::Done);
    while !world.steps.contains(&Step::CreateJob(Stage::Restore)) {
        world.look(start());
    }
    world.seen.restore.job.as_mut().unwrap().finished = true;
    let ticket = world.seen.restore.ticket.as_mut().unwrap();
    ticket.job = Some("j".to_owned());
    ticket.holder = Some("pod".to_owned());
    ticket.claim = Some(claimed());
    world.steps.clear();
    world
}

fn annotate(world: &mut World, name: &str, value: &str) {
    let annotations = world.seen.request.metadata.annotations.get_or_insert_default();
    annotations.insert(name.to_owned(), value.to_owned());
}

/// Bug: a pod that died after its POST is taken for one that did nothing, or the lock is released before it is known.
#[test]
fn a_restore_without_a_word_is_proved() {
    for (proof, phase, released, recorded) in [
        (Ended::Done, Phase::Completed, 1, Some("applied")),
        (Ended::Failed, Phase::Failed, 1, None),
        (Ended::Unknown, Phase::Running, 0, Some("unknown")),
        (Ended::Refused, Phase::Running, 0, Some("unknown")),
    ] {
        let mut world = silent();
        world.proof = proof;
        world.settle();
        assert_eq!((world.phase(), world.released), (phase, released), "{proof:?}");
        assert_eq!(world.seen.recorded(), recorded, "{proof:?}");
        assert!(world.steps.contains(&Step::CreateJob(Stage::Prove(1))), "{proof:?}: {:?}", world.steps);
    }
}

/// Bug: a proof that failed for a reason of its own counts as "not applied".
#[test]
fn a_proof_that_says_nothing_of_the_restore_proves_nothing() {
    let mut world = silent();
    world.proof = Ended::Failed;
    while world.seen.proof.report().is_none() {
        world.look(start());
    }
    world.seen.proof.ticket.as_mut().unwrap().report.as_mut().unwrap().stages.clear();
    world.settle();
    assert_eq!(world.phase(), Phase::Running);
}

#[test]
fn proofs_follow_each_other_at_growing_intervals() {
    let mut world = silent();
    let mut proofs = Vec::new();
    for second in 0..2000_i64 {
        let now = start() + second.seconds();
        for _ in 0..8 {
            world.look(now);
        }
        let begun =
            world.steps.iter().filter(|step| matches!(step, Step::CreateTicket(Stage::Prove(_)))).count();
        proofs.resize(begun, second);
    }
    let pauses: Vec<i64> = proofs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The last one after 30 minutes, when nothing can be on its way any more.
    assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 600, 255]);
    assert_eq!(proof_number(&world.seen.request), Some(9));
}

/// Bug: what a proof found, and by which it is judged, is never told; or it is told no more while the next one is at work.
#[test]
fn what_a_proof_found_is_told_until_another_found_something() {
    let mut world = silent();
    world.seen.restore.ticket.as_mut().unwrap().report = Some(proof_report(Ended::Unknown));
    let told = |world: &World| {
        let conditions = &world.seen.request.status.as_ref().unwrap().conditions;
        conditions.iter().find(|it| it.type_ == "Applied").unwrap().message.clone()
    };
    while world.seen.proof.report().is_none() {
        world.look(start());
    }
    let first = world.seen.proof.ticket.as_mut().unwrap().report.as_mut().unwrap();
    first.problems[0].message = "Neither marker is there.".to_owned();
    let mut looks = 0;
    while world.steps.last() != Some(&Step::CreateJob(Stage::Prove(2))) {
        world.look(start() + 15.seconds());
        assert_eq!(told(&world), "Neither marker is there.");
        let message = world.seen.request.status.as_ref().unwrap().message.as_ref().unwrap();
        assert!(message.contains("Neither marker is there."), "{message}");
        looks += 1;
        assert!(looks < 20, "{:?}", world.steps);
    }
}

/// Bug: the node of a proof is lost, its Job never ends, and nobody asks any more.
#[test]
fn a_proof_that_fails_without_an_end_is_followed_by_another() {
    let mut world = silent();
    while !world.steps.contains(&Step::CreateJob(Stage::Prove(1))) {
        world.look(start());
    }
    let ticket = world.seen.proof.ticket.as_mut().unwrap();
    (ticket.job, ticket.holder, ticket.beats) = (Some("j".to_owned()), Some("pod".to_owned()), true);
    world.seen.proof.job.as_mut().unwrap().failing = true;
    for _ in 0..8 {
        world.look(start() + 15.seconds());
    }
    assert_eq!(proof_number(&world.seen.request), Some(2));
}

/// Bug: a pod reads the acknowledgement, stands still, and its request says for as long as its Job may last that it is being
/// proved.
#[test]
fn a_proof_that_takes_too_long_is_a_doubt() {
    for (minutes, reason) in [(10, "Proving"), (12, "OutcomeUnknown")] {
        let mut world = silent();
        world.seen.restore.job.as_mut().unwrap().finished = false;
        world.seen.restore.pods.left = true;
        let (answer, said) = (Answer::Acknowledged, "it was acknowledged".to_owned());
        let answered = Answered { answer, said, at: Time(start()) };
        world.seen.restore.ticket.as_mut().unwrap().answer = Some(answered);
        for _ in 0..3 {
            world.look(start() + minutes.minutes());
        }
        assert_eq!(world.condition("Ready").1, reason, "{minutes}");
    }
}

/// Bug: a termination log that nobody looked at is said to be empty.
#[test]
fn what_nobody_looked_at_is_not_told() {
    let told = |change: &dyn Fn(&mut World)| {
        let mut world = silent();
        change(&mut world);
        world.look(start());
        world.seen.request.status.unwrap().message.unwrap()
    };
    assert!(told(&|world| world.seen.restore.pods.left = true).contains("its pod has not ended"));
    assert!(told(&|_| ()).contains("its pod is gone with its termination log"));
    let ended = told(&|world| world.seen.restore.pods.claimant_terminated = Some(start()));
    assert!(ended.contains("neither the ticket nor the termination log of its pod has a report"), "{ended}");
}

/// Bug: the lock is kept for a pause of the proofs, though "not applied" can be proved already.
#[test]
fn a_proof_is_due_as_soon_as_more_can_be_proved() {
    let mut world = silent();
    world.seen.restore.pods.claimant_terminated = Some(start());
    let mut begun = Vec::new();
    for second in 0..130_i64 {
        for _ in 0..8 {
            world.look(start() + second.seconds());
        }
        let proofs = world.steps.iter().filter(|step| matches!(step, Step::CreateTicket(Stage::Prove(_))));
        begun.resize(proofs.count(), second);
    }
    assert_eq!(begun, [0, 15, 45, 105, 120]);
}

/// Bug: "not applied" while a POST may still be on its way.
#[test]
fn a_marker_that_is_there_proves_something_only_when_nothing_is_on_its_way() {
    let mut world = silent();
    let asks = |world: &World, now| proving::question(&world.seen, now).unwrap().nothing_on_its_way;
    assert!(!asks(&world, start() + 29.minutes()));
    assert!(asks(&world, start() + 30.minutes()));
    let ends_after_two_minutes = |world: &World| {
        assert!(!asks(world, start() + 119.seconds()));
        assert!(asks(world, start() + 120.seconds()));
    };
    world.seen.restore.pods.claimant_terminated = Some(start());
    ends_after_two_minutes(&world);
    // A pod that is deleted says so on its ticket, and is gone before anybody sees it end.
    world.seen.restore.pods.claimant_terminated = None;
    let answer = Answered { answer: Answer::Unclear, said: "it broke".to_owned(), at: Time(start()) };
    world.seen.restore.ticket.as_mut().unwrap().answer = Some(answer);
    ends_after_two_minutes(&world);
}

/// Bug: the clock of a node that is behind ends a wait before it has begun.
#[test]
fn a_container_ends_no_earlier_than_its_claim() {
    let mut world = silent();
    world.seen.restore.pods.claimant_terminated = Some(start() - 10.minutes());
    world.seen.restore.ticket.as_mut().unwrap().acquired = Some(start());
    let asks = |world: &World, now| proving::question(&world.seen, now).unwrap().nothing_on_its_way;
    assert!(!asks(&world, start() + 119.seconds()));
    assert!(asks(&world, start() + 120.seconds()));
}

/// Bug: a snapshot that its server still writes to a slow disk is told as not applied.
#[test]
fn a_large_snapshot_takes_longer_to_be_settled() {
    let mut world = silent();
    world.seen.restore.pods.claimant_terminated = Some(start());
    let pinned = world.seen.check.ticket.as_mut().and_then(|ticket| ticket.report.as_mut()?.pinned.as_mut());
    pinned.unwrap().size = 50 << 20;
    let asks = |world: &World, now| proving::question(&world.seen, now).unwrap().nothing_on_its_way;
    assert!(!asks(&world, start() + 129.seconds()));
    assert!(asks(&world, start() + 130.seconds()));
}

/// Bug: a pod has looked for itself and found neither marker, and it is told for ten minutes as if its leader hung.
#[test]
fn what_a_pod_could_not_prove_is_told_at_once() {
    for (report, stalled) in [(None, "False"), (Some(report(Ended::Unknown)), "True")] {
        let mut world = silent();
        let (answer, said) = (Answer::Acknowledged, "it was acknowledged".to_owned());
        let ticket = world.seen.restore.ticket.as_mut().unwrap();
        ticket.answer = Some(Answered { answer, said, at: Time(start()) });
        ticket.report = report;
        world.look(start());
        assert_eq!(world.condition("Stalled").0, stalled);
    }
}

/// Bug: a proof that the API server refuses again and again hides that nobody knows.
#[test]
fn a_doubt_is_told_while_its_proof_is_being_made() {
    let mut world = silent();
    while !world.steps.contains(&Step::CreateJob(Stage::Prove(1))) {
        world.look(start());
        assert_eq!(
            (world.condition("Applied").0, world.condition("Stalled").0.as_str()),
            ("Unknown".to_owned(), "True")
        );
    }
}

/// Bug: a second pod that found the ticket claimed, and knows nothing, is heard before the one that did the work.
#[test]
fn the_report_of_the_claimant_outranks_another_pods_word() {
    let mut world = silent();
    world.seen.restore.ticket.as_mut().unwrap().report = Some(report(Ended::Done));
    world.seen.restore.pods.claimant_report = Some(report(Ended::Unknown));
    world.settle();
    assert_eq!(world.phase(), Phase::Completed);
}

#[test]
fn a_human_settles_what_nobody_can_prove() {
    for (word, phase, reason) in [
        ("u-1/applied", Phase::Completed, "Settled"),
        ("u-1/not-applied", Phase::Failed, "Settled"),
        ("u-0/applied", Phase::Running, ""),
        ("applied", Phase::Running, ""),
        ("u-1/perhaps", Phase::Running, ""),
    ] {
        let mut world = silent();
        world.seen.restore.ticket = None;
        annotate(&mut world, names::OUTCOME, word);
        world.settle();
        assert_eq!(world.phase(), phase, "{word}");
        if phase == Phase::Running {
            assert_eq!(world.released, 0, "{word}");
        } else {
            assert_eq!((world.condition("Finished").1.as_str(), world.released), (reason, 1), "{word}");
        }
    }
}

/// Bug: a human's word releases the lock while the server may still apply what it has.
#[test]
fn not_applied_is_no_humans_word_while_a_post_is_on_its_way() {
    let mut world = silent();
    annotate(&mut world, names::OUTCOME, "u-1/not-applied");
    world.settle();
    assert_eq!((world.phase(), world.released), (Phase::Running, 0));
    for _ in 0..10 {
        world.look(start() + 30.minutes());
    }
    assert_eq!((world.phase(), world.released), (Phase::Failed, 1));
}

/// Bug: a human's word releases the lock while the pod may still post.
#[test]
fn nothing_is_settled_while_a_pod_is_left() {
    let mut world = silent();
    world.seen.restore.pods.left = true;
    annotate(&mut world, names::OUTCOME, "u-1/not-applied");
    world.settle();
    assert_eq!((world.phase(), world.released), (Phase::Running, 0));
}

#[test]
fn an_abandoned_request_is_cancelled_or_ends_in_doubt() {
    let mut unclaimed = silent();
    unclaimed.seen.restore.ticket.as_mut().unwrap().holder = None;
    unclaimed.seen.restore.job.as_mut().unwrap().finished = false;
    annotate(&mut unclaimed, names::ABANDON, "u-1");
    unclaimed.settle();
    assert_eq!((unclaimed.phase(), unclaimed.released), (Phase::Failed, 1));
    assert_eq!(unclaimed.condition("Applied"), ("False".to_owned(), "Abandoned".to_owned()));
    assert!(unclaimed.steps.contains(&Step::Fence(Reason::Abandoned)));
    assert!(unclaimed.steps.contains(&Step::DeleteJob(Stage::Restore)), "nothing leaks");

    let mut claimed = silent();
    claimed.seen.restore.job.as_mut().unwrap().finished = false;
    claimed.seen.restore.pods.left = true;
    annotate(&mut claimed, names::ABANDON, "u-1");
    claimed.settle();
    assert_eq!(claimed.steps[0], Step::DeleteJob(Stage::Restore));
    assert_eq!((claimed.phase(), claimed.released), (Phase::Failed, 1));
    assert_eq!(claimed.condition("Applied").0, "Unknown");
    assert_eq!(claimed.condition("Stalled").0, "True");
    assert_eq!(claimed.seen.recorded(), Some("unknown"));

    let mut other = silent();
    annotate(&mut other, names::ABANDON, "u-0");
    assert_eq!(other.settle().waiting, Some(Waiting::Outcome));
}

/// Bug: a namespace hangs for ever, or its end makes an applied restore look like one that was not.
#[test]
fn the_end_of_the_namespace_is_an_end_in_doubt() {
    let mut world = silent();
    world.seen.namespace_terminating = true;
    world.seen.restore.pods.left = true;
    world.settle();
    assert_eq!(world.phase(), Phase::Running);
    world.seen.restore.pods.left = false;
    world.settle();
    assert_eq!(
        (world.phase(), world.condition("Finished").1.as_str()),
        (Phase::Failed, "NamespaceTerminating")
    );
    assert_eq!(world.condition("Applied").0, "Unknown");
    assert!(!world.steps.iter().any(|step| matches!(step, Step::CreateTicket(_) | Step::CreateJob(_))));
}

/// Bug: the words of a pod that could write to its termination log only are lost.
#[test]
fn the_termination_log_is_heard_where_the_ticket_has_no_report() {
    let mut world = silent();
    world.seen.restore.pods.claimant_report = Some(report(Ended::Done));
    world.settle();
    assert_eq!(world.phase(), Phase::Completed);
    assert!(!world.steps.contains(&Step::CreateJob(Stage::Prove(1))));
}

/// Bug: what somebody else left under the name of a proof decides.
#[test]
fn a_foreign_proof_is_not_heard() {
    let mut world = silent();
    world.look(start());
    world.seen.request.status.as_mut().unwrap().job_name = Some(names::prove_job("dr", 1));
    world.seen.proof.ticket = Some(TicketSeen {
        uid: "x".to_owned(),
        request: Some("u-0".to_owned()),
        report: Some(proof_report(Ended::Done)),
        ..TicketSeen::default()
    });
    assert_eq!(world.settle().waiting, Some(Waiting::Outcome));
}

#[test]
fn what_was_in_doubt_is_told_as_such() {
    let mut world = silent();
    let plan = world.settle();
    let applied = ConditionType::Applied.as_str();
    let condition = plan.status.conditions.iter().find(|it| it.type_ == applied).unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("Unknown", "OutcomeUnknown"));
    let steps = plan.status.next_steps;
    assert!(steps.iter().any(|step| step.contains("openbao.org/outcome=u-1/applied")), "{steps:?}");
}
