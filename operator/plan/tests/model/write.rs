//! What the operator writes: a step of the plan, what guards it, and what the API server makes of it.

use super::bug::Bug;
use super::planner::Planned;
use super::sight::MOST_PROOFS;
use super::state::{Backup, Claim, Holder, Job, Objects, Recorded, Run, State, Task, Ticket};
use api::conditions::Reason;
use plan::restore::{Outcome, Stage, Step};

/// A step with what it takes from the look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Write {
    Guard,
    CreateTicket(Stage),
    Grant(Stage),
    CreateJob(Stage, Task),
    NameJob { stage: Stage, ticket: u8, job: u8 },
    TakeArbiter,
    TakeLock,
    Fence(Reason),
    FenceRival(usize),
    EndRival,
    Record(Outcome),
    ReleaseLock,
    ReleaseArbiter,
    DeleteJob(Stage, u8),
    Retire(Stage, u8),
    Free,
}

/// What a write is guarded by: it fails when that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Nothing,
    Request,
    Cluster,
    Arbiter,
    Ticket(usize),
}

impl Base {
    pub(crate) fn changed(self, request: usize, before: &State, after: &State) -> bool {
        let (before, after) = (&before.etcd, &after.etcd);
        match self {
            Self::Nothing => false,
            Self::Request => before.requests[request] != after.requests[request],
            Self::Cluster => before.cluster(request) != after.cluster(request),
            Self::Arbiter => before.arbiter != after.arbiter,
            Self::Ticket(of) => before.objects[of].restore.ticket != after.objects[of].restore.ticket,
        }
    }
}

impl Write {
    /// As in `operator/src/restore/act.rs`.
    pub(crate) fn base(self, request: usize) -> Base {
        match self {
            Self::Guard | Self::Free => Base::Request,
            Self::TakeLock | Self::ReleaseLock | Self::Record(_) => Base::Cluster,
            Self::TakeArbiter | Self::ReleaseArbiter => Base::Arbiter,
            Self::Fence(_) => Base::Ticket(request),
            Self::FenceRival(rival) => Base::Ticket(rival),
            Self::CreateTicket(_)
            | Self::Grant(_)
            | Self::CreateJob(..)
            | Self::NameJob { .. }
            | Self::EndRival
            | Self::DeleteJob(..)
            | Self::Retire(..) => Base::Nothing,
        }
    }

    fn makes_something(self) -> bool {
        matches!(self, Self::CreateTicket(_) | Self::Grant(_) | Self::CreateJob(..))
    }

    pub(crate) fn is_of_proof(self) -> bool {
        match self {
            Self::CreateTicket(stage)
            | Self::Grant(stage)
            | Self::CreateJob(stage, _)
            | Self::NameJob { stage, .. }
            | Self::DeleteJob(stage, _)
            | Self::Retire(stage, _) => matches!(stage, Stage::Prove(_)),
            _ => false,
        }
    }

    pub(crate) fn ignores_version(self, bug: Option<Bug>) -> bool {
        match self {
            Self::TakeLock => bug == Some(Bug::LockWithoutVersion),
            Self::TakeArbiter => bug == Some(Bug::ArbiterWithoutVersion),
            Self::Fence(_) | Self::FenceRival(_) => bug == Some(Bug::FenceWithoutVersion),
            _ => false,
        }
    }
}

/// A step, with what it takes of what was read.
pub(crate) fn write(before: &State, request: usize, step: &Step, planned: &Planned) -> Option<Write> {
    let run = |stage| *run(&before.etcd.objects[request], stage);
    let job = |stage| run(stage).job.map(|job: Job| job.uid);
    Some(match step {
        Step::Guard => Write::Guard,
        Step::CreateTicket(stage) => Write::CreateTicket(*stage),
        Step::Grant(stage) => Write::Grant(*stage),
        Step::CreateJob(stage) => Write::CreateJob(*stage, planned.task?),
        Step::NameJob { stage, .. } => {
            Write::NameJob { stage: *stage, ticket: run(*stage).ticket?.uid, job: job(*stage)? }
        }
        Step::TakeArbiter => Write::TakeArbiter,
        Step::ReleaseArbiter => Write::ReleaseArbiter,
        Step::TakeLock => Write::TakeLock,
        Step::Fence(reason) => Write::Fence(*reason),
        Step::FenceRival => match before.etcd.cluster(request).lock {
            Some(Holder::Restore(rival)) => Write::FenceRival(rival),
            _ => return None,
        },
        Step::EndRival => Write::EndRival,
        Step::Record(outcome) => Write::Record(*outcome),
        Step::ReleaseLock => Write::ReleaseLock,
        Step::DeleteJob(stage) => Write::DeleteJob(*stage, job(*stage)?),
        Step::Retire(stage) => Write::Retire(*stage, job(*stage)?),
        Step::Free => Write::Free,
    })
}

/// The write arrives.
pub(crate) fn take(after: &mut State, request: usize, write: Write) {
    if after.etcd.terminating && write.makes_something() {
        return;
    }
    let etcd = &mut after.etcd;
    match write {
        Write::Guard => etcd.requests[request].guarded = true,
        Write::Free => etcd.requests[request].guarded = false,
        Write::TakeArbiter => etcd.arbiter = Some(request),
        Write::ReleaseArbiter => etcd.arbiter = None,
        Write::TakeLock => etcd.cluster_mut(request).lock = Some(Holder::Restore(request)),
        Write::ReleaseLock => etcd.cluster_mut(request).lock = None,
        Write::Record(Outcome::NotApplied) => etcd.cluster_mut(request).restores[request] = None,
        Write::Record(outcome) => {
            let is_late = etcd.objects[1 - request].check.ticket.is_some_and(|it| it.report.is_some());
            etcd.cluster_mut(request).restores[request] = Some(Recorded { outcome, is_late });
        }
        Write::Fence(reason) => fence(&mut etcd.objects[request].restore, reason),
        Write::FenceRival(rival) => forestall(after, rival),
        Write::EndRival => {
            etcd.backup = match etcd.backup {
                Backup::Running => Backup::Ending,
                Backup::Waiting => Backup::Gone,
                other => other,
            }
        }
        Write::CreateTicket(stage) => create_ticket(after, request, stage),
        Write::CreateJob(stage, task) => create_job(after, request, stage, task),
        Write::Grant(stage) => run_mut(&mut etcd.objects[request], stage).granted = true,
        Write::NameJob { stage, ticket, job } => {
            let run = run_mut(&mut etcd.objects[request], stage);
            if let Some(found) = run.ticket.as_mut().filter(|found| found.uid == ticket) {
                found.job = Some(job);
            }
        }
        Write::DeleteJob(stage, uid) => delete(run_mut(&mut etcd.objects[request], stage), stage, uid),
        Write::Retire(stage, uid) => {
            let run = run_mut(&mut etcd.objects[request], stage);
            if let Some(found) = run.job.as_mut().filter(|job| job.uid == uid) {
                found.retired = true;
            }
        }
    }
}

fn create_ticket(after: &mut State, request: usize, stage: Stage) {
    let objects = &mut after.etcd.objects[request];
    if let Stage::Prove(n) = stage
        && n > objects.proofs
    {
        (objects.proof, objects.proofs) = (Run::default(), n.min(MOST_PROOFS));
        after.due[request] = false;
        for look in &mut after.looks {
            *look = look.without_proof(request);
        }
    }
    let run = run_mut(&mut after.etcd.objects[request], stage);
    if run.ticket.is_none() {
        run.ticket = Some(Ticket::new(next_uid(&mut after.uids[request], stage)));
    }
}

fn create_job(after: &mut State, request: usize, stage: Stage, task: Task) {
    let run = run_mut(&mut after.etcd.objects[request], stage);
    if run.job.is_none() {
        let uid = next_uid(&mut after.uids[request], stage);
        run.job = Some(Job { uid, task, finished: false, deleting: false, retired: false, overdue: false });
    }
}

/// Only what a restore has may come again under the same name.
fn next_uid(given: &mut u8, stage: Stage) -> u8 {
    if stage != Stage::Restore {
        return 0;
    }
    *given += 1;
    *given
}

/// One that is not there yet is made, claimed: whoever makes it first decides.
fn forestall(after: &mut State, rival: usize) {
    let run = &mut after.etcd.objects[rival].restore;
    if run.ticket.is_none() && !after.etcd.terminating {
        after.uids[rival] += 1;
        run.ticket = Some(Ticket::new(after.uids[rival]));
    }
    fence(run, Reason::LockOverridden);
}

fn fence(run: &mut Run, reason: Reason) {
    if let Some(ticket) = &mut run.ticket {
        ticket.claim = Claim::Operator(reason);
    }
}

/// In foreground. The pods of checks and proofs are not modelled, so their Jobs go at once.
fn delete(run: &mut Run, stage: Stage, uid: u8) {
    match &mut run.job {
        Some(job) if job.uid == uid && stage == Stage::Restore => job.deleting = true,
        Some(job) if job.uid == uid => run.job = None,
        _ => {}
    }
}

fn run(objects: &Objects, stage: Stage) -> &Run {
    match stage {
        Stage::Check => &objects.check,
        Stage::Restore => &objects.restore,
        Stage::Prove(_) => &objects.proof,
    }
}

fn run_mut(objects: &mut Objects, stage: Stage) -> &mut Run {
    match stage {
        Stage::Check => &mut objects.check,
        Stage::Restore => &mut objects.restore,
        Stage::Prove(_) => &mut objects.proof,
    }
}
