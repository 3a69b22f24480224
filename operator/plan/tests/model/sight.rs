//! What one look reads, and how the plan sees it: the objects of the API, as the operator would read them.

use super::state::{
    Backup, Claim, Clock, Holder, Job, Objects, Process, Report, Request, Run, State, Ticket,
};
use super::status::Statuses;
use api::cluster::RestoreRecord;
use api::conditions::{ConditionType, Reason};
use api::lock::Operation;
use api::task::{self, Marker, Pinned, Problem, StageFinding, WIRE_VERSION};
use api::{OpenBaoCluster, OpenBaoRestore, OperationLock, names};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::restore::{JobSeen, Observed, Outcome, PodsSeen, TicketSeen, fence_holder, proof_number};
use plan::restore::{Rival as SeenRival, Run as SeenRun};
use serde_json::json;

/// More proofs of one request than this are not asked for.
const PROOFS: u32 = 1;

/// All that one look at a request reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may hold at once"
)]
pub(crate) struct Sight {
    pub(crate) index: usize,
    pub(crate) request: Request,
    /// Whether the request may override the lock.
    pub(crate) overrides: bool,
    pub(crate) lock: Option<Holder>,
    pub(crate) recorded: Option<Outcome>,
    pub(crate) objects: Objects,
    pub(crate) pods_left: bool,
    /// What the pod that claimed the ticket left behind, when it is known to have ended.
    pub(crate) claimant_ended: Option<Ending>,
    pub(crate) quiet: bool,
    pub(crate) clock: Clock,
    pub(crate) rival: Option<Rival>,
    pub(crate) terminating: bool,
}

/// The end of a pod, and what it left in its termination log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ending {
    words: Option<Report>,
}

/// Who else of ours holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rival {
    Restore { index: usize, request: Request, ticket: Option<Ticket>, pods_left: bool, quiet: bool },
    Backup(Backup),
}

/// Who of ours holds the lock.
pub(crate) fn owner(state: &State) -> Option<Rival> {
    match state.etcd.cluster.lock? {
        Holder::Restore(index) => Some(Rival::Restore {
            index,
            request: state.etcd.requests[index],
            ticket: state.etcd.objects[index].restore.ticket,
            pods_left: state.pods_left(index),
            quiet: state.quiet[index],
        }),
        Holder::Backup => Some(Rival::Backup(state.etcd.backup)),
        Holder::Foreign => None,
    }
}

/// Reads the world for a request that was read before.
pub(crate) fn look(state: &State, index: usize, request: Request, overrides: bool) -> Sight {
    let etcd = &state.etcd;
    let mut objects = etcd.objects[index];
    let claimant_ended = match objects.restore.ticket.map(|ticket| ticket.claim) {
        Some(Claim::Pod(pod)) if objects.pods[pod] => match state.pods[index][pod].process {
            Process::Ended(words) => Some(Ending { words }),
            _ => None,
        },
        _ => None,
    };
    objects.pods = Objects::default().pods;
    let is_own = etcd.cluster.lock == Some(Holder::Restore(index));
    Sight {
        index,
        request,
        overrides,
        lock: etcd.cluster.lock,
        recorded: etcd.cluster.restores[index],
        objects,
        pods_left: state.pods_left(index),
        claimant_ended,
        quiet: state.quiet[index],
        clock: state.clock,
        rival: if is_own { None } else { owner(state) },
        terminating: etcd.terminating,
    }
}

impl Clock {
    pub(crate) fn now(self) -> Timestamp {
        let minutes = match self {
            Self::Early => 1,
            Self::Late => 62,
            Self::Over => 180,
        };
        start() + SignedDuration::from_mins(minutes)
    }
}

impl Sight {
    /// The same, as the plan takes it.
    pub(crate) fn observed(&self, statuses: &Statuses) -> Observed {
        let now = self.clock.now();
        let request = self.request(statuses);
        let objects = &self.objects;
        let own = |run: &Run| seen_run(run, self.index, now);
        let is_named = proof_number(&request) == Some(objects.proofs);
        // Where the end of the pod tells that nothing is on its way, the time has not to.
        let told = self.quiet && self.claimant_ended.is_none();
        Observed {
            judgement: None,
            storage_allow_cidrs: String::new(),
            namespace_terminating: self.terminating,
            cluster: Some(self.cluster(&request)),
            check: SeenRun {
                ticket: objects
                    .check
                    .ticket
                    .map(|ticket| checked(seen_ticket(&ticket, self.index, now, false))),
                ..own(&objects.check)
            },
            restore: SeenRun {
                ticket: objects.restore.ticket.map(|ticket| seen_ticket(&ticket, self.index, now, told)),
                pods: self.pods(),
                ..own(&objects.restore)
            },
            proof: if is_named { self.proof(now) } else { SeenRun::default() },
            rival: self.rival.as_ref().map(|rival| rival.observed(statuses, now)),
            request,
        }
    }

    fn request(&self, statuses: &Statuses) -> OpenBaoRestore {
        let Request { status, guarded, edits, deleting, abandoned, settled, .. } = self.request;
        let mut request: OpenBaoRestore = serde_json::from_value(json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore",
            "metadata": {"name": name(self.index), "namespace": "n", "uid": uid(self.index)},
            "spec": {"cluster": "c", "jwtAuthRole": "r", "force": self.overrides,
                     "overrideOperationLock": self.overrides,
                     "source": {"key": "k.snap", "target": {"bucket": "b"}}}
        }))
        .unwrap();
        let metadata = &mut request.metadata;
        metadata.creation_timestamp = Some(Time(start()));
        metadata.generation = Some(1 + i64::from(edits) + i64::from(deleting));
        metadata.deletion_timestamp = deleting.then(|| Time(start()));
        let annotations = metadata.annotations.get_or_insert_default();
        let own = uid(self.index);
        if guarded {
            metadata.finalizers = Some(vec![names::FINALIZER.to_owned()]);
            annotations.insert(names::REQUEST_UID.to_owned(), own.clone());
        }
        if abandoned {
            annotations.insert(names::ABANDON.to_owned(), own.clone());
        }
        if let Some(applied) = settled {
            let outcome = if applied { Outcome::Applied } else { Outcome::NotApplied };
            annotations.insert(names::OUTCOME.to_owned(), format!("{own}/{}", outcome.as_str()));
        }
        request.status = Some(statuses.get(status));
        request
    }

    fn cluster(&self, request: &OpenBaoRestore) -> OpenBaoCluster {
        let mut cluster: OpenBaoCluster = serde_json::from_value(json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": "c", "namespace": "n"}, "spec": {}, "status": {}
        }))
        .unwrap();
        let status = cluster.status.get_or_insert_default();
        status.operation_lock = self.lock.map(lock);
        status.restores.extend(self.recorded.map(|outcome| RestoreRecord {
            name: name(self.index),
            uid: uid(self.index),
            intent_digest: api::intent::digest(request),
            outcome: outcome.as_str().to_owned(),
            ..RestoreRecord::default()
        }));
        cluster
    }

    fn pods(&self) -> PodsSeen {
        let ago = SignedDuration::from_secs(if self.quiet { 60 } else { 0 });
        PodsSeen {
            left: self.pods_left,
            stuck: None,
            claimant_terminated: self.claimant_ended.map(|_| self.clock.now() - ago),
            claimant_report: self.claimant_ended.and_then(|ending| ending.words).map(report),
        }
    }

    fn proof(&self, now: Timestamp) -> SeenRun {
        // The pause after the last proof that is modelled never ends.
        let age = SignedDuration::from_hours(i64::from(self.objects.proofs < PROOFS));
        let mut proof = seen_run(&self.objects.proof, self.index, now);
        proof.ticket.iter_mut().for_each(|ticket| ticket.created = Some(now - age));
        proof
    }
}

impl Rival {
    pub(crate) fn observed(&self, statuses: &Statuses, now: Timestamp) -> SeenRival {
        match self {
            Self::Restore { index, request, ticket, pods_left, quiet } => SeenRival::Restore {
                over: !request.exists || (request.status.phase.is_terminal() && !request.guarded),
                recorded: request.exists.then(|| statuses.get(request.status).ticket_uid).flatten(),
                ticket: ticket.map(|ticket| seen_ticket(&ticket, *index, now, *quiet)),
                pods_left: *pods_left,
            },
            Self::Backup(backup) => {
                let job = JobSeen {
                    finished: *backup == Backup::Ended,
                    deleting: *backup == Backup::Ending,
                    ..JobSeen::default()
                };
                let job = (*backup != Backup::Gone).then_some(job);
                SeenRival::Backup { job, pods_left: backup.pod_left() }
            }
        }
    }
}

fn seen_run(run: &Run, index: usize, now: Timestamp) -> SeenRun {
    SeenRun {
        job: run.job.map(|job| seen_job(job, index, now)),
        ticket: run.ticket.map(|ticket| seen_ticket(&ticket, index, now, false)),
        granted: run.granted,
        // Pods of checks and proofs come and go with their Jobs.
        pods: PodsSeen { left: run.job.is_some_and(|job| !job.finished), ..PodsSeen::default() },
    }
}

fn seen_job(job: Job, index: usize, now: Timestamp) -> JobSeen {
    let age = SignedDuration::from_mins(if job.overdue { 5 } else { 0 });
    JobSeen {
        uid: job_uid(job.uid),
        request: Some(uid(index)),
        started: None,
        created: Some(now - age),
        finished: job.finished,
        failing: false,
        failure: None,
        deleting: job.deleting,
        retired: job.retired,
    }
}

/// `told`: by the time alone nothing of its POST is on its way any more.
fn seen_ticket(ticket: &Ticket, index: usize, now: Timestamp, told: bool) -> TicketSeen {
    let holder = match ticket.claim {
        Claim::Free => None,
        Claim::Operator(reason) => Some(fence_holder(reason)),
        Claim::Pod(pod) => Some(format!("pod-{pod}")),
    };
    let after = SignedDuration::from_mins(i64::from(!told));
    let marker = Marker {
        token: "token".to_owned(),
        expires: Time(Timestamp::MAX),
        leader: "https://c-0".to_owned(),
        active_time: start().to_string(),
        claimed_at: Time(start()),
        not_applied_after: Time(now + after),
    };
    TicketSeen {
        uid: ticket_uid(ticket.uid),
        request: Some(uid(index)),
        created: Some(now),
        job: ticket.job.map(job_uid),
        marker: matches!(ticket.claim, Claim::Pod(_)).then_some(marker),
        holder,
        beats: ticket.beats,
        progress: None,
        report: ticket.report.map(report),
    }
}

/// A check says nothing of what was applied.
fn checked(mut ticket: TicketSeen) -> TicketSeen {
    ticket.report.iter_mut().for_each(|report| report.stages.clear());
    ticket.marker = None;
    ticket
}

fn report(report: Report) -> task::Report {
    let (outcome, holds, reason) = match report {
        Report::Done => (task::Outcome::Done, Some(true), Reason::Proved),
        Report::Failed => (task::Outcome::Failed, Some(false), Reason::NotApplied),
        Report::Unknown => (task::Outcome::Unknown, None, Reason::OutcomeUnknown),
    };
    let problem = Problem { reason, field: None, message: "So it ended.".to_owned() };
    let message = "So it was found.".to_owned();
    task::Report {
        v: WIRE_VERSION,
        outcome,
        problems: if report == Report::Done { vec![] } else { vec![problem] },
        stages: vec![StageFinding { stage: ConditionType::Applied, holds, reason, message }],
        next_steps: vec![],
        pinned: Some(Pinned { size: 5, sha256: "ab".to_owned(), etag: None, version: None }),
        backup: None,
    }
}

fn lock(holder: Holder) -> OperationLock {
    let (operation, holder) = match holder {
        Holder::Restore(index) => ("Restore", Operation::Restore.holder(&name(index), &uid(index))),
        Holder::Backup => ("Backup", Operation::Backup.holder("job", "u-backup")),
        Holder::Foreign => ("Upgrade", "openbaocluster/c".to_owned()),
    };
    OperationLock { operation: operation.to_owned(), holder, ..OperationLock::default() }
}

fn start() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 56)
}

fn name(request: usize) -> String {
    format!("r{request}")
}

fn uid(request: usize) -> String {
    format!("u-{request}")
}

fn ticket_uid(uid: u8) -> String {
    format!("t-{uid}")
}

fn job_uid(uid: u8) -> String {
    format!("j-{uid}")
}
