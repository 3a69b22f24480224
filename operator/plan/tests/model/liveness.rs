//! The ordinary course of things, in which nothing goes wrong any more and everybody gets their turn.

use super::bao::{Data, Snapshot};
use super::executor::Act;
use super::is_soak;
use super::operator::Look;
use super::protocol::{Action, Protocol};
use super::state::{Claim, Holder, REQUESTS, Report, State};
use super::status::Applied;
use super::world::Event;
use api::Phase;
use stateright::Model;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// More turns than any way to the end takes.
const TURNS: usize = 500;
/// One state in so many is looked at.
static SAMPLE: LazyLock<u64> = LazyLock::new(|| if is_soak() { 8 } else { 64 });

/// Every state from this one to the last, or as many as there are turns.
pub(crate) fn course(protocol: &Protocol, from: &State) -> Vec<State> {
    let from = State { troubles: 0, hazards: 0, ..from.clone() };
    std::iter::successors(Some(from), |state| turn(protocol, state)).take(TURNS).collect()
}

/// Whether, left alone, every request ends and gives its lock back; asked of a sample of states.
pub(crate) fn ends_well(protocol: &Protocol, state: &State) -> bool {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    if !hasher.finish().is_multiple_of(*SAMPLE) {
        return true;
    }
    let Some(last) = end(protocol, state) else { return false };
    (0..REQUESTS).all(|request| is_settled(&last, request)) && a_word_ends_it(protocol, last)
}

/// The last state of a course that has one.
fn end(protocol: &Protocol, from: &State) -> Option<State> {
    let mut course = course(protocol, from);
    course.pop().filter(|_| course.len() + 1 < TURNS)
}

/// Whether a human who has seen the data ends what nobody else can tell.
fn a_word_ends_it(protocol: &Protocol, mut state: State) -> bool {
    for request in 0..REQUESTS {
        if in_doubt(&state, request) {
            state.etcd.requests[request].settled = Some(state.bao.data == Data::Of(request));
        }
    }
    let last = end(protocol, &state);
    last.is_some_and(|last| (0..REQUESTS).all(|request| !in_doubt(&last, request)))
}

/// It is over and without the lock; or nobody can tell its outcome, so that a human is asked; or it waits for such a one.
fn is_settled(state: &State, request: usize) -> bool {
    let in_doubt = |request| in_doubt(state, request) && !can_tell(state, request);
    let object = &state.etcd.requests[request];
    let is_over = !object.exists || object.status.phase.is_terminal();
    let others = state.etcd.arbiter.filter(|holder| *holder != request);
    match state.etcd.cluster(request).lock {
        _ if in_doubt(request) => true,
        None => is_over || others.is_some_and(in_doubt),
        Some(Holder::Restore(holder)) if holder != request => is_over || in_doubt(holder),
        Some(Holder::Restore(_)) => false,
        _ => is_over,
    }
}

/// Whether a request that is still there says that nobody knows.
fn in_doubt(state: &State, request: usize) -> bool {
    let object = &state.etcd.requests[request];
    object.exists && object.status.phase == Phase::Running && object.status.applied == Some(Applied::Unknown)
}

/// Whether anybody who knows the claim could tell what became of it, by asking the servers: they are still those of the
/// claim, and the data hold the request's marker, or are the snapshot's, which had one.
pub(crate) fn can_tell(state: &State, request: usize) -> bool {
    let (bao, traces) = (&state.bao, &state.claims[request]);
    let ticket = state.etcd.objects[request].restore.ticket;
    let is_known = ticket.is_some_and(|ticket| matches!(ticket.claim, Claim::Pod(_)));
    let is_ours = bao.data == Data::Of(request) && bao.snapshot != Snapshot::Bare;
    let is_same = bao.stranger.is_none() && !traces.behind;
    // An older etcd does not know that the snapshot's marker was consumed because the end was told.
    is_known && is_same && (traces.marked || is_ours) && !state.record.rolled_back
}

/// What is done next: begun looks are ended, then pods and the others act, and where nothing is left to do somebody
/// looks.
fn turn(protocol: &Protocol, state: &State) -> Option<State> {
    let mut actions = Vec::new();
    protocol.actions(state, &mut actions);
    actions.retain(|action| !matches!(action, Action::Forget(_) | Action::Trouble(_) | Action::Hazard(_)));
    actions.sort_by_key(|action| match action {
        Action::Plan(_) | Action::Land(_) => (0, 0),
        Action::Event(Event::Dropped(_) | Event::ProofReports(_, Report::Unknown))
        | Action::Pod(_, _, Act::Refuse | Act::Again | Act::ClaimUnheard) => (3, 0),
        Action::Event(_) => (1, 0),
        Action::Pod(..) => (2, 0),
        // Whoever is behind goes first.
        Action::Read(_, request) => (4, state.etcd.requests[*request].status.phase as u8),
        Action::Sweep(..) | Action::Forget(_) | Action::Trouble(_) | Action::Hazard(_) => (5, 0),
    });
    actions.into_iter().find_map(|action| after(protocol, state, action))
}

/// The next state; a look that would write nothing is none.
fn after(protocol: &Protocol, state: &State, action: Action) -> Option<State> {
    let next = protocol.next_state(state, action)?;
    let read = |look: &&Look| matches!(look, Look::Read { .. });
    if next.looks.iter().find(read).is_none() || matches!(action, Action::Plan(_)) {
        return Some(next);
    }
    let index = next.looks.iter().position(|look| matches!(look, Look::Read { .. }))?;
    let planned = protocol.next_state(&next, Action::Plan(index))?;
    (planned.looks != state.looks).then_some(planned)
}
