//! The model: who may do what next.

use super::bao::{self, Bao, Hazard, Traces};
use super::bug::Bug;
use super::executor::{self, Act};
use super::invariants::{self, Record};
use super::liveness::course;
use super::operator::{self, Look};
use super::planner::Planner;
use super::scopes::Scope;
use super::state::{
    Backup, Claim, Clock, Cluster, Etcd, LOOKS, Looked, Objects, PODS, Pod, Post, REQUESTS, Report, Request,
    Run, State, Ticket,
};
use super::status::Status;
use super::trouble::{self, Trouble};
use super::world::{self, Event};
use plan::proof::Verdict;
use stateright::{Model, Property};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::RwLock;

pub(crate) struct Protocol {
    pub(crate) scope: Scope,
    pub(crate) bug: Option<Bug>,
    pub(crate) planner: Planner,
    /// Every verdict that was come to.
    pub(crate) verdicts: RwLock<HashSet<Verdict>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// One look, and which request it reads.
    Read(usize, usize),
    Plan(usize),
    /// One look, and which cluster it reads.
    Sweep(usize, usize),
    Land(usize),
    Forget(usize),
    Pod(usize, usize, Act),
    Event(Event),
    Trouble(Trouble),
    Hazard(Hazard),
}

impl Protocol {
    pub(crate) fn new(scope: Scope, bug: Option<Bug>) -> Self {
        Self { scope, bug, planner: Planner::new(bug), verdicts: RwLock::default() }
    }

    /// Keeps what was found somewhere.
    pub(crate) fn hear(&self, verdict: Verdict) {
        if !self.verdicts.read().unwrap().contains(&verdict) {
            self.verdicts.write().unwrap().insert(verdict);
        }
    }

    fn start(&self) -> State {
        let request = |exists| Request {
            exists,
            status: Status::NEW,
            guarded: false,
            edits: 0,
            deleting: false,
            abandoned: false,
            settled: None,
        };
        let mut objects = Objects::default();
        if !self.scope.unchecked {
            let ticket = Ticket { claim: Claim::Pod(0), report: Some(Report::Done), ..Ticket::new(0) };
            objects.check = Run { ticket: Some(ticket), granted: true, job: None };
        }
        let etcd = Etcd {
            apart: self.scope.apart,
            clusters: [Cluster::default(); REQUESTS],
            arbiter: None,
            requests: std::array::from_fn(|index| request(index < self.scope.requests)),
            objects: std::array::from_fn(|index| {
                if index < self.scope.requests { objects } else { Objects::default() }
            }),
            backup: if self.scope.backup { Backup::Waiting } else { Backup::Gone },
            terminating: false,
        };
        State {
            etcd,
            saved: None,
            looks: [Look::Idle; LOOKS],
            pods: [[Pod::NONE; PODS]; REQUESTS],
            bao: Bao::new(self.scope.snapshot),
            posts: [Post::None; REQUESTS],
            claims: [Traces::default(); REQUESTS],
            quiet: [false; REQUESTS],
            due: [false; REQUESTS],
            looked: [Looked::Nothing; REQUESTS],
            clock: Clock::Early,
            uids: [0; REQUESTS],
            troubles: self.scope.troubles,
            hazards: self.scope.hazards,
            record: Record::default(),
        }
    }

    fn looks(&self, state: &State, actions: &mut Vec<Action>) {
        let idle = state.looks.iter().position(|look| *look == Look::Idle);
        let busy = state.looks.iter().filter(|look| **look != Look::Idle).count();
        if let Some(look) = idle.filter(|_| busy < self.scope.looks) {
            let there = (0..REQUESTS).filter(|request| state.etcd.requests[*request].exists);
            actions.extend(there.map(|request| Action::Read(look, request)));
            let clusters = if self.scope.apart { REQUESTS } else { 1 };
            actions.extend((0..clusters).map(|cluster| Action::Sweep(look, cluster)));
        }
        for (index, look) in state.looks.iter().enumerate() {
            match look {
                Look::Idle => {}
                Look::Read { .. } => actions.extend([Action::Plan(index), Action::Forget(index)]),
                Look::Planned { .. } => actions.extend([Action::Land(index), Action::Forget(index)]),
            }
        }
    }

    fn act(&self, state: &mut State, action: Action) -> Option<usize> {
        match action {
            Action::Read(look, request) => {
                operator::read(state, look, request);
                if !self.scope.split {
                    operator::plan(self, state, look);
                }
            }
            Action::Plan(look) => operator::plan(self, state, look),
            Action::Sweep(look, cluster) => operator::sweep(self, state, look, cluster),
            Action::Land(look) => operator::land(state, look),
            Action::Forget(look) => state.looks[look] = Look::Idle,
            Action::Pod(request, pod, act) => executor::apply(self, state, request, pod, act),
            Action::Event(event) => world::happen(self.bug, state, event),
            Action::Trouble(trouble) => {
                trouble::happen(state, trouble);
                if trouble == Trouble::RolledBack {
                    state.looks = [Look::Idle; LOOKS];
                }
            }
            Action::Hazard(hazard) => {
                state.hazards -= 1;
                bao::strike(state, hazard);
            }
        }
        if let Action::Read(look, _) | Action::Plan(look) | Action::Sweep(look, _) | Action::Land(look) =
            action
        {
            return Some(look);
        }
        None
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    /// Where the scope says so, every state of an undisturbed run: each can be reached, and the end of a run is looked
    /// at as closely as its beginning.
    fn init_states(&self) -> Vec<State> {
        let start = self.start();
        if !self.scope.everywhere {
            return vec![start];
        }
        let states = course(self, &start).into_iter();
        let (troubles, hazards) = (self.scope.troubles, self.scope.hazards);
        states.map(|state| State { troubles, hazards, ..state }).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.looks(state, actions);
        executor::enabled(self, state, actions);
        world::events(self, state, actions);
        trouble::troubles(self, state, actions);
        if state.hazards > 0 {
            bao::hazards(state, &mut |hazard| actions.push(Action::Hazard(hazard)));
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut after = before.clone();
        let own = self.act(&mut after, action);
        for request in &mut after.etcd.requests {
            request.exists &= request.guarded || !request.deleting;
        }
        if after == *before {
            return None;
        }
        operator::settle(before, &mut after, own, self.bug);
        after.end_looks();
        invariants::audit(before, action, &mut after);
        // An older etcd could bring back who reads it.
        if after.saved.is_none() {
            after.forget();
        }
        // Looks are all alike, so their order tells nothing.
        after.looks.sort_by_cached_key(|look| {
            let mut hasher = DefaultHasher::new();
            look.hash(&mut hasher);
            hasher.finish()
        });
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants::properties()
    }
}
