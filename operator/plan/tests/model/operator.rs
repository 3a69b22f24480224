//! The operator's hands: a look reads the request, then the rest, asks the plan, writes the status and then takes one
//! step. Anything may happen between any two of these, a crash or a lost answer among them: then the look is forgotten.
//!
//! A write over a version that was read fails when the object has changed since. So a look whose next write must fail
//! is forgotten at once, and no state has to keep versions.

use super::bug::Bug;
use super::planner::Planned;
use super::protocol::Protocol;
use super::sight::{self, Rival};
use super::state::{Backup, Claim, Holder, Job, Request, Run, State, Task, Ticket};
use super::status::Status;
use api::conditions::Reason;
use plan::lock::Orphan;
use plan::restore::{Outcome, Stage, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Look {
    Idle,
    /// The request was read, and nothing else yet.
    Read {
        request: usize,
        as_read: Request,
    },
    Planned {
        request: usize,
        status: Option<Status>,
        write: Option<Write>,
    },
}

/// A step with what it takes from the look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Write {
    Guard,
    CreateTicket(Stage),
    Grant(Stage),
    CreateJob(Stage, Task),
    NameJob { stage: Stage, ticket: u8, job: u8 },
    TakeLock,
    Fence(Reason),
    FenceRival(usize),
    EndRival,
    Record(Outcome),
    ReleaseLock,
    DeleteJob(Stage, u8),
    Retire(Stage, u8),
    Free,
}

/// What a write is guarded by: it fails when that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Nothing,
    Request,
    Cluster,
    Ticket(usize),
}

impl Write {
    /// As in `operator/src/restore/act.rs`.
    fn base(self, request: usize) -> Base {
        match self {
            Self::Guard | Self::Free => Base::Request,
            Self::TakeLock | Self::ReleaseLock | Self::Record(_) => Base::Cluster,
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

    fn ignores_version(self, bug: Option<Bug>) -> bool {
        match self {
            Self::TakeLock => bug == Some(Bug::LockWithoutVersion),
            Self::Fence(_) | Self::FenceRival(_) => bug == Some(Bug::FenceWithoutVersion),
            _ => false,
        }
    }
}

/// Reads the request.
pub(crate) fn read(state: &mut State, look: usize, request: usize) {
    state.looks[look] = Look::Read { request, as_read: state.etcd.requests[request] };
}

/// Reads the rest, and plans.
pub(crate) fn plan(protocol: &Protocol, state: &mut State, look: usize) {
    let Look::Read { request, as_read } = state.looks[look] else { return };
    let seen = sight::look(state, request, as_read, protocol.scope.overrides[request]);
    let planned = protocol.planner.plan(seen);
    let write = planned.step.as_ref().and_then(|step| write(state, request, step, &planned));
    let status = (planned.status != as_read.status).then_some(planned.status);
    let is_stale = as_read != state.etcd.requests[request];
    let fails = is_stale
        && protocol.bug != Some(Bug::StatusOfStaleLeader)
        && (status.is_some() || write.is_some_and(|write| write.base(request) == Base::Request));
    state.looks[look] = if fails { Look::Idle } else { Look::Planned { request, status, write }.tidied() };
}

fn write(before: &State, request: usize, step: &Step, planned: &Planned) -> Option<Write> {
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
        Step::TakeLock => Write::TakeLock,
        Step::Fence(reason) => Write::Fence(*reason),
        Step::FenceRival => match before.etcd.cluster.lock {
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

/// Looks at the cluster: a lock of ours whose owner is over is cleared.
pub(crate) fn sweep(protocol: &Protocol, state: &mut State, look: usize) {
    let Some(owner) = sight::owner(state) else { return };
    let request = if let Rival::Restore { index, .. } = owner { index } else { 0 };
    let write = match protocol.planner.orphan(&owner, state.clock) {
        Orphan::Keep => return,
        Orphan::Fence => Write::Fence(Reason::OwnerGone),
        Orphan::Clear => Write::ReleaseLock,
    };
    state.looks[look] = Look::Planned { request, status: None, write: Some(write) };
}

/// The next write arrives.
pub(crate) fn land(state: &mut State, look: usize) {
    let Look::Planned { request, status, write } = state.looks[look] else { return };
    state.looks[look] = Look::Planned { request, status: None, write: write.filter(|_| status.is_some()) };
    match (status, write) {
        (Some(status), _) => state.etcd.requests[request].status = status,
        (None, Some(write)) => take(state, request, write),
        (None, None) => {}
    }
    state.looks[look] = state.looks[look].tidied();
}

fn take(after: &mut State, request: usize, write: Write) {
    if after.etcd.terminating && write.makes_something() {
        return;
    }
    let uid = after.uids[request] + 1;
    let etcd = &mut after.etcd;
    let objects = &mut etcd.objects[request];
    let holder = Holder::Restore(request);
    match write {
        Write::Guard => etcd.requests[request].guarded = true,
        Write::Free => etcd.requests[request].guarded = false,
        Write::TakeLock => etcd.cluster.lock = Some(holder),
        Write::ReleaseLock => etcd.cluster.lock = None,
        Write::Record(Outcome::NotApplied) => etcd.cluster.restores[request] = None,
        Write::Record(outcome) => etcd.cluster.restores[request] = Some(outcome),
        Write::CreateTicket(stage) => {
            if let Stage::Prove(n) = stage
                && n > objects.proofs
            {
                (objects.proof, objects.proofs) = (Run::default(), n);
            }
            let is_new = run(objects, stage).ticket.is_none();
            if is_new && stage == Stage::Restore {
                after.uids[request] = uid;
            }
            let uid = if stage == Stage::Restore { uid } else { 0 };
            run_mut(objects, stage).ticket.get_or_insert(Ticket::new(uid));
        }
        Write::Grant(stage) => run_mut(objects, stage).granted = true,
        Write::CreateJob(stage, task) => {
            let is_new = run(objects, stage).job.is_none();
            if is_new && stage == Stage::Restore {
                after.uids[request] = uid;
            }
            let uid = if stage == Stage::Restore { uid } else { 0 };
            let job = Job { uid, task, finished: false, deleting: false, retired: false, overdue: false };
            run_mut(objects, stage).job.get_or_insert(job);
        }
        Write::NameJob { stage, ticket, job } => {
            let found = run_mut(objects, stage).ticket.as_mut().filter(|found| found.uid == ticket);
            if let Some(found) = found {
                found.job = Some(job);
            }
        }
        Write::Fence(reason) => fence(&mut objects.restore, reason),
        Write::FenceRival(rival) => forestall(after, rival),
        Write::EndRival => {
            etcd.backup = match etcd.backup {
                Backup::Running => Backup::Ending,
                Backup::Waiting => Backup::Gone,
                other => other,
            }
        }
        Write::DeleteJob(stage, uid) => delete(run_mut(objects, stage), stage, uid),
        Write::Retire(stage, uid) => {
            let found = run_mut(objects, stage).job.as_mut().filter(|job| job.uid == uid);
            if let Some(job) = found {
                job.retired = true;
            }
        }
    }
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
    run.ticket.iter_mut().for_each(|ticket| ticket.claim = Claim::Operator(reason));
}

/// In foreground. The pods of checks and proofs are not modelled, so their Jobs go at once.
fn delete(run: &mut Run, stage: Stage, uid: u8) {
    match &mut run.job {
        Some(job) if job.uid == uid && stage == Stage::Restore => job.deleting = true,
        Some(job) if job.uid == uid => run.job = None,
        _ => {}
    }
}

impl Look {
    fn tidied(self) -> Self {
        match self {
            Self::Planned { status: None, write: None, .. } => Self::Idle,
            other => other,
        }
    }

    /// What is left of a look when others have written meanwhile.
    fn guarded(self, before: &State, after: &State, bug: Option<Bug>) -> Self {
        let Self::Planned { request, status, write } = self else { return self };
        let changed = |base| match base {
            Base::Nothing => false,
            Base::Request => before.etcd.requests[request] != after.etcd.requests[request],
            Base::Cluster => before.etcd.cluster != after.etcd.cluster,
            Base::Ticket(of) => {
                before.etcd.objects[of].restore.ticket != after.etcd.objects[of].restore.ticket
            }
        };
        if status.is_some() && changed(Base::Request) && bug != Some(Bug::StatusOfStaleLeader) {
            return Self::Idle;
        }
        let write = write.filter(|write| write.ignores_version(bug) || !changed(write.base(request)));
        Self::Planned { request, status, write }.tidied()
    }
}

/// Forgets what must fail; `own` is the look that has just written.
pub(crate) fn settle(before: &State, after: &mut State, own: Option<usize>, bug: Option<Bug>) {
    let mut looks = after.looks;
    for (index, look) in looks.iter_mut().enumerate() {
        if Some(index) != own {
            *look = look.guarded(before, after, bug);
        }
    }
    after.looks = looks;
}

fn run(objects: &super::state::Objects, stage: Stage) -> &Run {
    match stage {
        Stage::Check => &objects.check,
        Stage::Restore => &objects.restore,
        Stage::Prove(_) => &objects.proof,
    }
}

fn run_mut(objects: &mut super::state::Objects, stage: Stage) -> &mut Run {
    match stage {
        Stage::Check => &mut objects.check,
        Stage::Restore => &mut objects.restore,
        Stage::Prove(_) => &mut objects.proof,
    }
}
