//! The operator's hands: a look reads the request, then the rest, asks the plan, writes the status and then takes one
//! step. Anything may happen between any two of these, a crash or a lost answer among them: then the look is forgotten.
//!
//! A write over a version that was read fails when the object has changed since. So a look whose next write must fail
//! is forgotten at once, and no state has to keep versions.

use super::bug::Bug;
use super::protocol::Protocol;
use super::sight::{self, Rival};
use super::state::{Request, State};
use super::status::Status;
use super::write::{Base, Write, take, write};
use api::conditions::Reason;
use plan::lock::Orphan;

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

/// Looks at a cluster: a lock of ours whose owner is over is cleared.
pub(crate) fn sweep(protocol: &Protocol, state: &mut State, look: usize, cluster: usize) {
    let Some(owner) = sight::owner(state, cluster) else { return };
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

impl Look {
    fn tidied(self) -> Self {
        match self {
            Self::Planned { status: None, write: None, .. } => Self::Idle,
            other => other,
        }
    }

    /// What is left of a look when the next proof of a request begins: what it writes for the one before is in nobody's way.
    pub(crate) fn without_proof(self, of: usize) -> Self {
        match self {
            Self::Planned { request, status, write } if request == of => {
                Self::Planned { request, status, write: write.filter(|write| !write.is_of_proof()) }.tidied()
            }
            other => other,
        }
    }

    /// What is left of a look when others have written meanwhile.
    fn guarded(self, before: &State, after: &State, bug: Option<Bug>) -> Self {
        let Self::Planned { request, status, write } = self else { return self };
        let changed = |base: Base| base.changed(request, before, after);
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
