//! The plan is driven against a world of values: each step is applied as the API server would, and planned again.

mod doubt;
mod lock;

use super::*;
use api::task::{Marker, Outcome as Ended, Pinned, Problem, Report, StageFinding, WIRE_VERSION};
use api::{OpenBaoCluster, OpenBaoRestore, OperationLock, Phase, names};
use jiff::ToSpan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

pub(super) fn start() -> Timestamp {
    "2026-03-20T03:00:00Z".parse().unwrap()
}

fn request() -> OpenBaoRestore {
    serde_json::from_value(json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore",
        "metadata": {"name": "dr", "namespace": "n", "uid": "u-1", "generation": 1,
                     "creationTimestamp": "2026-03-20T03:00:00Z"},
        "spec": {"cluster": "c", "jwtAuthRole": "r", "source": {"key": "k.snap", "target": {"bucket": "b"}}}
    }))
    .unwrap()
}

fn cluster() -> OpenBaoCluster {
    serde_json::from_value(json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "c", "namespace": "n"}, "spec": {}, "status": {}
    }))
    .unwrap()
}

fn report(outcome: Ended) -> Report {
    let pinned = Pinned { size: 5, sha256: "ab".to_owned(), etag: None, version: None };
    let problem =
        Problem { reason: Reason::CheckFailed, field: None, message: "The object is not there.".to_owned() };
    let problems = if outcome == Ended::Done { vec![] } else { vec![problem] };
    Report {
        v: WIRE_VERSION,
        outcome,
        problems,
        stages: vec![],
        next_steps: vec![],
        pinned: (outcome == Ended::Done).then_some(pinned),
    }
}

/// What a proof reports.
fn proof_report(outcome: Ended) -> Report {
    let holds = match outcome {
        Ended::Done => Some(true),
        Ended::Failed => Some(false),
        Ended::Refused | Ended::Unknown => None,
    };
    let (stage, reason) = (api::conditions::ConditionType::Applied, Reason::NotApplied);
    Report {
        stages: vec![StageFinding { stage, holds, reason, message: "So it is.".to_owned() }],
        ..report(outcome)
    }
}

/// What the restore leaves on its ticket.
fn marker() -> Marker {
    Marker {
        token: "s.m".to_owned(),
        expires: Time(start() + 168.hours()),
        leader: "https://bao-0".to_owned(),
        active_time: "2026-03-20T01:00:00Z".to_owned(),
        claimed_at: Time(start()),
        not_applied_after: Time(start() + 30.minutes()),
    }
}

/// What is observed once the check has reported and both tickets are there.
pub(super) fn seen() -> Observed {
    let ticket = |uid: &str, report| TicketSeen {
        uid: uid.to_owned(),
        request: Some("u-1".to_owned()),
        report,
        ..TicketSeen::default()
    };
    let mut seen = World::new(Ended::Done, Ended::Done).seen;
    seen.check.ticket = Some(ticket("t-check", Some(report(Ended::Done))));
    seen.restore.ticket = Some(ticket("t-restore", None));
    seen
}

/// A world in which every Job ends at once with the outcome that the test gives it.
pub(super) struct World {
    pub(super) seen: Observed,
    outcomes: [Ended; 2],
    /// What every proof comes to.
    proof: Ended,
    now: Timestamp,
    steps: Vec<Step>,
    released: usize,
}

impl World {
    pub(super) fn new(check: Ended, restore: Ended) -> Self {
        let seen = Observed {
            request: request(),
            judgement: None,
            namespace_terminating: false,
            cluster: Some(cluster()),
            check: Run::default(),
            restore: Run::default(),
            proof: Run::default(),
            rival: None,
        };
        Self {
            seen,
            outcomes: [check, restore],
            proof: Ended::Unknown,
            now: start(),
            steps: Vec::new(),
            released: 0,
        }
    }

    fn phase(&self) -> Phase {
        self.seen.request.status.as_ref().map(|status| status.phase).unwrap_or_default()
    }

    fn condition(&self, kind: &str) -> (String, String) {
        let conditions = &self.seen.request.status.as_ref().unwrap().conditions;
        let found = conditions.iter().find(|condition| condition.type_ == kind).expect(kind);
        (found.status.clone(), found.reason.clone())
    }

    fn run(&mut self, stage: Stage) -> &mut Run {
        match stage {
            Stage::Check => &mut self.seen.check,
            Stage::Restore => &mut self.seen.restore,
            Stage::Prove(_) => &mut self.seen.proof,
        }
    }

    fn lock(&mut self) -> &mut Option<OperationLock> {
        &mut self.seen.cluster.as_mut().unwrap().status.as_mut().unwrap().operation_lock
    }

    /// One look: status, then step, as the operator writes them.
    pub(super) fn look(&mut self, now: Timestamp) -> Plan {
        self.now = now;
        let plan = plan(&self.seen, now);
        self.seen.request.status = Some(plan.status.clone());
        if let Some(step) = plan.step.clone() {
            self.apply(&step);
            self.steps.push(step);
        }
        plan
    }

    fn apply(&mut self, step: &Step) {
        let metadata = &mut self.seen.request.metadata;
        match step.clone() {
            Step::Guard => {
                metadata.finalizers.get_or_insert_default().push(names::FINALIZER.to_owned());
                metadata.annotations.get_or_insert_default().insert(names::REQUEST_UID.into(), "u-1".into());
            }
            Step::Free => metadata.finalizers = None,
            Step::CreateTicket(stage) => {
                let uid = format!("t-{stage:?}");
                let (request, created) = (Some("u-1".to_owned()), Some(self.now));
                *self.run(stage) = Run::default();
                self.run(stage).ticket = Some(TicketSeen { uid, request, created, ..TicketSeen::default() });
            }
            Step::Grant(stage) => self.run(stage).granted = true,
            Step::CreateJob(stage) => {
                let job =
                    JobSeen { uid: "j".to_owned(), request: Some("u-1".to_owned()), ..JobSeen::default() };
                self.run(stage).job = Some(job);
            }
            Step::NameJob { stage, job } => {
                let outcome = match stage {
                    Stage::Check => self.outcomes[0],
                    Stage::Restore => self.outcomes[1],
                    Stage::Prove(_) => self.proof,
                };
                let run = self.run(stage);
                let ticket = run.ticket.as_mut().unwrap();
                ticket.job = Some(job);
                ticket.holder = Some("pod".to_owned());
                ticket.report = Some(match stage {
                    Stage::Prove(_) => proof_report(outcome),
                    Stage::Check | Stage::Restore => report(outcome),
                });
                ticket.marker = (stage == Stage::Restore).then(marker);
                run.job.as_mut().unwrap().finished = true;
            }
            Step::TakeLock => {
                let lock = self.seen.our_lock(start());
                *self.lock() = Some(lock);
                self.seen.rival = None;
            }
            Step::ReleaseLock => {
                *self.lock() = None;
                self.released += 1;
            }
            Step::Fence(reason) => {
                self.seen.restore.ticket.as_mut().unwrap().holder = Some(fence_holder(reason));
            }
            Step::FenceRival => {
                let Some(Rival::Restore { ticket, .. }) = &mut self.seen.rival else { panic!() };
                ticket.get_or_insert_default().holder = Some(fence_holder(Reason::LockOverridden));
            }
            Step::EndRival => {
                let Some(Rival::Backup { job, pods_left }) = &mut self.seen.rival else { panic!() };
                (*job, *pods_left) = (None, false);
            }
            Step::Record(outcome) => {
                let record = api::cluster::RestoreRecord {
                    uid: "u-1".to_owned(),
                    outcome: outcome.as_str().to_owned(),
                    ..Default::default()
                };
                let restores = &mut self.seen.cluster.as_mut().unwrap().status.as_mut().unwrap().restores;
                restores.retain(|record| record.uid != "u-1");
                if outcome != Outcome::NotApplied {
                    restores.push(record);
                }
            }
            Step::Retire(stage) => self.run(stage).job.as_mut().unwrap().retired = true,
            Step::DeleteJob(stage) => {
                self.run(stage).job = None;
                self.run(stage).pods = PodsSeen::default();
            }
        }
    }

    /// Looks until a look changes nothing.
    fn settle(&mut self) -> Plan {
        for _ in 0..60 {
            let before = self.seen.clone();
            let plan = self.look(start());
            if self.seen == before {
                assert_eq!(plan.step, None, "a step that changes nothing would be taken for ever");
                return plan;
            }
        }
        panic!("it never settles: {:?}", self.steps);
    }
}

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
        "TakeLock",
        "CreateTicket(Restore)",
        "Grant(Restore)",
        "CreateJob(Restore)",
        "NameJob",
        "Record(Applied)",
        "ReleaseLock",
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
    for lost in 0..15 {
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
        ticket.marker = None;
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

#[test]
fn what_was_requested_before_does_not_run_again() {
    let mut copied = World::new(Ended::Done, Ended::Done);
    copied.seen.request.metadata.annotations =
        Some([(names::REQUEST_UID.to_owned(), "another".to_owned())].into());
    copied.settle();
    assert_eq!(copied.condition("Finished").1, "AlreadyRequested");

    let mut recreated = World::new(Ended::Done, Ended::Done);
    let record = api::cluster::RestoreRecord {
        uid: "u-0".to_owned(),
        intent_digest: api::intent::digest(&request()),
        ..Default::default()
    };
    recreated.seen.cluster.as_mut().unwrap().status.as_mut().unwrap().restores.push(record);
    let mut again = World::new(Ended::Done, Ended::Done);
    again.seen = recreated.seen.clone();
    recreated.settle();
    assert_eq!(recreated.condition("Finished").1, "AlreadyRequested");

    again.seen.request.metadata.annotations = Some([(names::AGAIN.to_owned(), "u-0".to_owned())].into());
    again.settle();
    assert_eq!(again.phase(), Phase::Completed);
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
