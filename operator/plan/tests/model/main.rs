//! The restore, model-checked: the plan of the product, driven in every order of events that an abstract API server,
//! cluster and Kubernetes allow. Two requests, a backup and a foreign holder want one lock; two looks of operators are on
//! their way at once, each with reads and writes that anything may come between, crashes and lost answers among them;
//! each restore may have two pods; and a number of troubles may come at any moment, a rollback of etcd among them.
//!
//! Read `protocol.rs` for who acts, `operator.rs`, `executor.rs` and `world.rs` for how, `invariants.rs` for what must
//! hold, `bug.rs` for the mistakes that it is known to notice. Left out: more than one backup, what the check finds out,
//! what is in the snapshot, other controllers for backup and restore, a cluster object that comes or goes.

#![expect(clippy::unwrap_used, reason = "a test ends with the first thing that cannot be")]

mod bao;
mod bug;
mod coverage;
mod executor;
mod invariants;
mod judge;
mod liveness;
mod operator;
mod planner;
mod protocol;
mod scopes;
mod seen;
mod sight;
mod state;
mod status;
mod trouble;
mod world;
mod write;

use bug::{BUGS, Bug};
use coverage::Coverage;
use protocol::{Action, Protocol};
use scopes::{APART, BARE, CLONE, EVERYTHING, LIFE, OVERRIDE, RACE, ROLLBACK, SECOND, Scope, TROUBLE, WORLD};
use state::State;
use stateright::{Checker, HasDiscoveries, Model, Path};
use std::fmt::Write as _;

/// Visits a scope to its end, or until so many states were found or an invariant was broken.
fn check(
    scope: Scope,
    bug: Option<Bug>,
    states: Option<usize>,
    until: HasDiscoveries,
) -> impl Checker<Protocol> {
    let builder = Protocol::new(scope, bug).checker().finish_when(until);
    builder.target_state_count(states.unwrap_or(usize::MAX)).spawn_bfs().join()
}

/// The shortest way to each broken invariant.
fn broken(checker: &impl Checker<Protocol>) -> Vec<(&'static str, Path<State, Action>)> {
    let mut all: Vec<_> = checker.discoveries().into_iter().collect();
    all.sort_by_key(|(name, _)| *name);
    all
}

fn told(path: &Path<State, Action>) -> String {
    path.clone().into_vec().into_iter().fold(String::new(), |mut text, (state, action)| {
        let _ = write!(text, "\n  {state}\n    looks {:?}\n{action:?}", state.looks);
        text
    })
}

fn assert_holds(scope: Scope, states: Option<usize>, coverage: &mut Coverage) {
    let checker = check(scope, None, states, HasDiscoveries::AnyFailures);
    let (unique, all, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    let share = if states.is_some() { "the first" } else { "all" };
    let Scope { name, troubles, hazards, .. } = scope;
    println!(
        "{name} ({troubles} troubles, {hazards} hazards): {share} {unique} states, reached in {all} ways, up to {depth} steps deep"
    );
    if let Some((broken, path)) = broken(&checker).first() {
        panic!("{name}: {broken}: {}", told(path));
    }
    coverage.add(checker.model());
}

/// Ways into states of the largest scopes that the suite looks at; the soak looks at [`MANY`], in 12 GB of memory.
const SOME: usize = 200_000;
const MANY: usize = 40_000_000;
/// A mistake shows long before.
const MISTAKEN: usize = 3_000_000;

fn is_soak() -> bool {
    std::env::var_os("SOAK").is_some()
}

/// Bug: whatever the plan does wrong in an order of events that nobody has thought of.
#[test]
fn in_every_order_of_events_the_promise_holds() {
    let mut coverage = Coverage::default();
    for scope in [LIFE, RACE, TROUBLE, ROLLBACK, OVERRIDE] {
        assert_holds(scope, None, &mut coverage);
    }
    let states = if is_soak() { MANY } else { SOME };
    for scope in [SECOND, APART, EVERYTHING] {
        assert_holds(scope, Some(states), &mut coverage);
    }
    coverage.assert_planned();
}

/// Bug: a verdict is false, or is never come to, because of what the world did to the OpenBao meanwhile.
#[test]
fn whatever_the_world_does_no_verdict_is_false() {
    let mut coverage = Coverage::default();
    let budgets: &[(u8, u8)] = if is_soak() { &[(1, 2)] } else { &[(0, 2), (1, 1)] };
    for scope in [WORLD, CLONE, BARE] {
        for &(troubles, hazards) in budgets {
            assert_holds(Scope { troubles, hazards, ..scope }, None, &mut coverage);
        }
    }
    coverage.assert_judged();
}

/// Bug: a model that notices nothing.
#[test]
fn every_mistake_that_is_put_back_is_noticed() {
    for (bug, scope, expected) in BUGS {
        let breaks: Vec<&str> = invariants::names().filter(|name| name.starts_with(expected)).collect();
        let until = HasDiscoveries::AnyOf(breaks.iter().copied().collect());
        let checker = check(scope, Some(bug), Some(MISTAKEN), until);
        let found = broken(&checker);
        let noticed = found.iter().find(|(name, _)| breaks.contains(name));
        let Some((name, path)) = noticed else {
            panic!("{bug:?} breaks no {expected}: {} states", checker.unique_state_count())
        };
        println!("{bug:?} is noticed after {} steps: {name}", path.clone().into_vec().len() - 1);
    }
}
