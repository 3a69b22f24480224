//! The ordinary course of things, in which nothing goes wrong any more and everybody gets their turn.

use super::executor::Act;
use super::operator::Look;
use super::protocol::{Action, Protocol};
use super::state::{Holder, REQUESTS, State};
use super::status::Applied;
use super::world::Event;
use api::Phase;
use stateright::Model;
use std::hash::{DefaultHasher, Hash, Hasher};

/// More turns than any way to the end takes.
const TURNS: usize = 500;
/// One state in so many is looked at.
const SAMPLE: u64 = 64;

/// Every state from this one to the last, or as many as there are turns.
pub(crate) fn course(protocol: &Protocol, from: &State) -> Vec<State> {
    let from = State { troubles: 0, ..from.clone() };
    std::iter::successors(Some(from), |state| turn(protocol, state)).take(TURNS).collect()
}

/// Whether, left alone, every request ends and gives its lock back; asked of a sample of states.
pub(crate) fn ends_well(protocol: &Protocol, state: &State) -> bool {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    if !hasher.finish().is_multiple_of(SAMPLE) {
        return true;
    }
    let course = course(protocol, state);
    let last = &course[course.len() - 1];
    course.len() < TURNS && (0..REQUESTS).all(|request| is_settled(last, request))
}

/// It is over and without the lock; or nobody knows its outcome, so that a human is asked; or it waits for such a one.
fn is_settled(state: &State, request: usize) -> bool {
    let in_doubt = |request: usize| {
        let status = state.etcd.requests[request].status;
        status.phase == Phase::Running && status.applied == Some(Applied::Unknown)
    };
    let object = &state.etcd.requests[request];
    let is_over = !object.exists || object.status.phase.is_terminal();
    match state.etcd.cluster.lock {
        _ if in_doubt(request) => true,
        Some(Holder::Restore(holder)) if holder != request => is_over || in_doubt(holder),
        Some(Holder::Restore(_)) => false,
        _ => is_over,
    }
}

/// What is done next: begun looks are ended, then pods and the others act, and where nothing is left to do somebody
/// looks.
fn turn(protocol: &Protocol, state: &State) -> Option<State> {
    let mut actions = Vec::new();
    protocol.actions(state, &mut actions);
    actions.retain(|action| !matches!(action, Action::Forget(_) | Action::Trouble(_)));
    actions.sort_by_key(|action| match action {
        Action::Plan(_) | Action::Land(_) => (0, 0),
        Action::Event(Event::Dropped(_)) | Action::Pod(_, _, Act::Refuse) => (3, 0),
        Action::Event(_) => (1, 0),
        Action::Pod(..) => (2, 0),
        // Whoever is behind goes first.
        Action::Read(_, request) => (4, state.etcd.requests[*request].status.phase as u8),
        Action::Sweep(_) | Action::Forget(_) | Action::Trouble(_) => (5, 0),
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
