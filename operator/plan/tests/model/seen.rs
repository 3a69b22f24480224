//! Objects of the API as the plan takes them, made from what a state has.

use super::bao::Snapshot;
use super::judge;
use super::state::{Answer, Claim, Holder, Job, Report, Run, Ticket};
use api::OperationLock;
use api::conditions::{ConditionType, Reason};
use api::lock::Operation;
use api::task::{
    self, Answered, Checked, Claimed, Identity, Pinned, Problem, Servers, StageFinding, WIRE_VERSION,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::restore::arbiter::ArbiterHolder;
use plan::restore::{JobSeen, PodsSeen, Run as SeenRun, TicketSeen, fence_holder};

pub(crate) fn run(run: &Run, index: usize, now: Timestamp, age: Age) -> SeenRun {
    SeenRun {
        job: run.job.map(|found| job(found, index, now)),
        ticket: run.ticket.map(|found| ticket(&found, index, now, age)),
        granted: run.granted,
        // Pods of checks and proofs come and go with their Jobs.
        pods: PodsSeen { left: run.job.is_some_and(|job| !job.finished), ..PodsSeen::default() },
    }
}

fn job(job: Job, index: usize, now: Timestamp) -> JobSeen {
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

/// What the time tells of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Age {
    pub(crate) snapshot: Snapshot,
    /// Whether it is long ago.
    pub(crate) quiet: bool,
    /// Whether by the time alone nothing of its POST is on its way any more.
    pub(crate) told: bool,
}

pub(crate) fn ticket(ticket: &Ticket, index: usize, now: Timestamp, age: Age) -> TicketSeen {
    let holder = match ticket.claim {
        Claim::Free => None,
        Claim::Operator(reason) => Some(fence_holder(reason)),
        Claim::Pod(pod) => Some(format!("pod-{pod}")),
    };
    let after = SignedDuration::from_mins(i64::from(!age.told));
    let servers = Servers { addresses: vec!["https://c-0".to_owned()], replicas: 1, tls_server_name: None };
    let claim = || Claimed { claim: judge::claim(age.snapshot, now + after), servers };
    let read = Time(now - SignedDuration::from_hours(i64::from(age.quiet)));
    let answer = ticket.answer.map(|answer| match answer {
        Answer::Acknowledged => task::Answer::Acknowledged,
        Answer::Refused => task::Answer::Refused,
        Answer::Unclear => task::Answer::Unclear,
    });
    TicketSeen {
        uid: ticket_uid(ticket.uid),
        request: Some(uid(index)),
        created: Some(now),
        acquired: Some(now - SignedDuration::from_hours(1)),
        job: ticket.job.map(job_uid),
        claim: matches!(ticket.claim, Claim::Pod(_)).then(claim),
        answer: answer.map(|answer| Answered { answer, said: "it ended".to_owned(), at: read }),
        holder,
        beats: ticket.beats,
        progress: None,
        report: ticket.report.map(report),
    }
}

/// A check says nothing of what was applied, but which OpenBao it saw.
pub(crate) fn checked(mut ticket: TicketSeen) -> TicketSeen {
    let active_time = start().to_string();
    let identity = Identity { cluster_id: "own".to_owned(), active_time, raft_index: 1 };
    let saw = Checked { identity, marker: "s.c".to_owned(), at: Time(start()) };
    if let Some(report) = &mut ticket.report {
        report.stages.clear();
        report.checked = (report.outcome == task::Outcome::Done).then(|| saw.clone());
    }
    ticket.claim = None;
    ticket
}

pub(crate) fn report(report: Report) -> task::Report {
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
        origin: None,
        checked: None,
        backup: None,
    }
}

pub(crate) fn arbiter_holder(index: usize, apart: bool) -> ArbiterHolder {
    let (namespace, cluster) = ("n".to_owned(), cluster(index, apart));
    ArbiterHolder { namespace, cluster, name: name(index), uid: uid(index) }
}

/// Name of the cluster that a request names.
pub(crate) fn cluster(index: usize, apart: bool) -> String {
    format!("c{}", if apart { index } else { 0 })
}

pub(crate) fn lock(holder: Holder) -> OperationLock {
    let (operation, holder) = match holder {
        Holder::Restore(index) => ("Restore", Operation::Restore.holder(&name(index), &uid(index))),
        Holder::Backup => ("Backup", Operation::Backup.holder("job", "u-backup")),
        Holder::Foreign => ("Upgrade", "openbaocluster/c".to_owned()),
    };
    OperationLock { operation: operation.to_owned(), holder, ..OperationLock::default() }
}

pub(crate) fn start() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 56)
}

pub(crate) fn name(request: usize) -> String {
    format!("r{request}")
}

pub(crate) fn uid(request: usize) -> String {
    format!("u-{request}")
}

fn ticket_uid(uid: u8) -> String {
    format!("t-{uid}")
}

fn job_uid(uid: u8) -> String {
    format!("j-{uid}")
}
