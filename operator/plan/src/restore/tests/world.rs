//! A world of values: each step is applied as the API server would, and planned again.

use super::*;
use crate::restore::arbiter::{self, ArbiterSeen};
use api::task::{Checked, Claim, Claimed, Identity, Servers};
use jiff::ToSpan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

pub(in crate::restore) fn start() -> Timestamp {
    "2026-03-20T03:00:00Z".parse().unwrap()
}

pub(super) fn request() -> OpenBaoRestore {
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

pub(super) fn report(outcome: Ended) -> Report {
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
        origin: None,
        checked: (outcome == Ended::Done).then(checked),
        backup: None,
    }
}

pub(super) fn identity() -> Identity {
    let active_time = "2026-03-20T01:00:00Z".to_owned();
    Identity { cluster_id: "ours".to_owned(), active_time, raft_index: 100 }
}

/// What the check saw of the servers.
fn checked() -> Checked {
    Checked { identity: identity(), marker: "s.c".to_owned(), at: Time(start()) }
}

/// What a proof reports.
pub(super) fn proof_report(outcome: Ended) -> Report {
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
pub(super) fn claimed() -> Claimed {
    let claim = Claim {
        marker: "s.m".to_owned(),
        expires: Time(start() + 168.hours()),
        origin: None,
        leader: "https://bao-0".to_owned(),
        identity: identity(),
        nothing_after: Time(start() + 30.minutes()),
    };
    let servers = Servers { addresses: vec!["https://bao-0".to_owned()], replicas: 1, tls_server_name: None };
    Claimed { claim, servers }
}

/// What is observed once the check has reported and both tickets are there.
pub(in crate::restore) fn seen() -> Observed {
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
pub(in crate::restore) struct World {
    pub(in crate::restore) seen: Observed,
    pub(super) outcomes: [Ended; 2],
    /// What every proof comes to.
    pub(super) proof: Ended,
    now: Timestamp,
    pub(super) steps: Vec<Step>,
    pub(super) released: usize,
}

impl World {
    pub(in crate::restore) fn new(check: Ended, restore: Ended) -> Self {
        let seen = Observed {
            request: request(),
            judgement: None,
            storage_allow_cidrs: "10.0.0.0/8".to_owned(),
            namespace_terminating: false,
            cluster: Some(cluster()),
            check: Run::default(),
            restore: Run::default(),
            proof: Run::default(),
            rival: None,
            arbiter: None,
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

    pub(super) fn phase(&self) -> Phase {
        self.seen.request.status.as_ref().map(|status| status.phase).unwrap_or_default()
    }

    pub(super) fn condition(&self, kind: &str) -> (String, String) {
        let conditions = &self.seen.request.status.as_ref().unwrap().conditions;
        let found = conditions.iter().find(|condition| condition.type_ == kind).expect(kind);
        (found.status.clone(), found.reason.clone())
    }

    pub(super) fn run(&mut self, stage: Stage) -> &mut Run {
        match stage {
            Stage::Check => &mut self.seen.check,
            Stage::Restore => &mut self.seen.restore,
            Stage::Prove(_) => &mut self.seen.proof,
        }
    }

    pub(super) fn lock(&mut self) -> &mut Option<OperationLock> {
        &mut self.seen.cluster.as_mut().unwrap().status.as_mut().unwrap().operation_lock
    }

    /// One look: status, then step, as the operator writes them.
    pub(in crate::restore) fn look(&mut self, now: Timestamp) -> Plan {
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
                let own = [(names::REQUEST_UID, &metadata.uid), (names::REQUEST_NAME, &metadata.name)];
                let own = own.map(|(key, value)| (key.to_owned(), value.clone().unwrap()));
                metadata.annotations.get_or_insert_default().extend(own);
            }
            Step::Free => metadata.finalizers = None,
            Step::TakeArbiter => {
                let lease = arbiter::lease(&self.seen).unwrap();
                let holder = &lease.metadata.annotations.unwrap()[names::HOLDER];
                let holder = serde_json::from_str(holder).unwrap();
                self.seen.arbiter = Some(ArbiterSeen { holder: Some(holder), owner: None });
            }
            Step::ReleaseArbiter => self.seen.arbiter = None,
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
                let records = self.seen.records(outcome, self.now);
                self.seen.cluster.as_mut().unwrap().status.as_mut().unwrap().restores = records;
            }
            Step::CreateTicket(_)
            | Step::Grant(_)
            | Step::CreateJob(_)
            | Step::NameJob { .. }
            | Step::Retire(_)
            | Step::DeleteJob(_) => self.apply_to_run(step),
        }
    }

    fn apply_to_run(&mut self, step: &Step) {
        let now = self.now;
        match step.clone() {
            Step::CreateTicket(stage) => {
                let (request, created) = (Some("u-1".to_owned()), Some(now));
                let ticket =
                    TicketSeen { uid: format!("t-{stage:?}"), request, created, ..TicketSeen::default() };
                *self.run(stage) = Run { ticket: Some(ticket), ..Run::default() };
            }
            Step::Grant(stage) => self.run(stage).granted = true,
            Step::CreateJob(stage) => {
                let (uid, request) = ("j".to_owned(), Some("u-1".to_owned()));
                self.run(stage).job = Some(JobSeen { uid, request, ..JobSeen::default() });
            }
            Step::NameJob { stage, job } => self.end(stage, job),
            Step::Retire(stage) => self.run(stage).job.as_mut().unwrap().retired = true,
            Step::DeleteJob(stage) => {
                self.run(stage).job = None;
                self.run(stage).pods = PodsSeen::default();
            }
            other => panic!("{other:?} is for no run"),
        }
    }

    /// The pod of a Job does all that it does at once.
    fn end(&mut self, stage: Stage, job: String) {
        let report = match stage {
            Stage::Check => report(self.outcomes[0]),
            Stage::Restore => report(self.outcomes[1]),
            Stage::Prove(_) => proof_report(self.proof),
        };
        let run = self.run(stage);
        let ticket = run.ticket.as_mut().unwrap();
        ticket.job = Some(job);
        ticket.holder = Some("pod".to_owned());
        ticket.report = Some(report);
        ticket.claim = (stage == Stage::Restore).then(claimed);
        run.job.as_mut().unwrap().finished = true;
    }

    /// Looks until a look changes nothing.
    pub(super) fn settle(&mut self) -> Plan {
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
