//! What must hold, of every state and of every step between two.

use super::bao::Data;
use super::executor::Act;
use super::liveness::ends_well;
use super::protocol::{Action, Protocol};
use super::state::{Clock, Holder, Post, Process, REQUESTS, Report, State};
use super::status::Applied;
use super::trouble::Trouble;
use super::world::Event;
use api::Phase;
use stateright::Property;

/// What of the past an invariant speaks of, and which invariants were broken on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    broken: u16,
    /// Tails sent.
    pub(crate) sent: [u8; REQUESTS],
    pub(crate) claimed: [bool; REQUESTS],
    /// Somebody who may has cleared the lock of this request.
    cleared: [bool; REQUESTS],
    /// Somebody who may has given this request up, or taken its finalizer away.
    given_up: [bool; REQUESTS],
    /// Somebody has restored the same by hand while this request could still do it.
    pub(crate) by_hand: [bool; REQUESTS],
    pub(crate) rolled_back: bool,
}

/// One step of the model.
struct Step<'a> {
    before: &'a State,
    action: Action,
    after: &'a State,
}

type Holds = fn(&Step<'_>, usize) -> bool;

/// Each of every request. I9 is about retention and the other half of I10 about what a backup publishes: neither is
/// part of a restore.
const INVARIANTS: [(&str, Holds); 12] = [
    ("I1: a lock passes on only when its holder cannot act any more", i1),
    ("I1: one OpenBao is worked on by one request at a time", i1_alone),
    ("I2: a tail is sent under the lock of its request only", i2),
    ("I3: there is one tail for a request at most", i3),
    ("I4: nothing else touches the data while a tail is on its way", i4),
    ("I5: a terminal phase never changes", i5),
    ("I6: Completed means that after the claim the data became those of the snapshot", i6),
    ("I6: Applied=False means that no tail of the request changes the data any more", i6_false),
    ("I6: not applied is proved only while the data are not those of the snapshot", i6_not_ours),
    ("I7: a lock is given back only when no pod is left that could act", i7),
    ("I8: what is sent is what was accepted", i8),
    ("I10: what is sent was checked to the last byte", i10),
];
const LIVES: &str = "left alone, every request ends and gives its lock back, unless nobody could tell";

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    INVARIANTS.iter().map(|(name, _)| *name).chain([LIVES])
}

pub(crate) fn properties() -> Vec<Property<Protocol>> {
    vec![
        Property::always(INVARIANTS[0].0, |_, state| is_whole(state, 0)),
        Property::always(INVARIANTS[1].0, |_, state| is_whole(state, 1)),
        Property::always(INVARIANTS[2].0, |_, state| is_whole(state, 2)),
        Property::always(INVARIANTS[3].0, |_, state| is_whole(state, 3)),
        Property::always(INVARIANTS[4].0, |_, state| is_whole(state, 4)),
        Property::always(INVARIANTS[5].0, |_, state| is_whole(state, 5)),
        Property::always(INVARIANTS[6].0, |_, state| is_whole(state, 6)),
        Property::always(INVARIANTS[7].0, |_, state| is_whole(state, 7)),
        Property::always(INVARIANTS[8].0, |_, state| is_whole(state, 8)),
        Property::always(INVARIANTS[9].0, |_, state| is_whole(state, 9)),
        Property::always(INVARIANTS[10].0, |_, state| is_whole(state, 10)),
        Property::always(INVARIANTS[11].0, |_, state| is_whole(state, 11)),
        Property::always(LIVES, ends_well),
    ]
}

fn is_whole(state: &State, invariant: usize) -> bool {
    state.record.broken & (1 << invariant) == 0
}

/// Keeps what was done, and judges it.
pub(crate) fn audit(before: &State, action: Action, after: &mut State) {
    match action {
        Action::Pod(request, _, Act::Tail) => after.record.sent[request] += 1,
        Action::Pod(request, _, Act::Claim | Act::ClaimUnheard) => after.record.claimed[request] = true,
        Action::Trouble(Trouble::LockCleared(cluster)) => {
            if let Some(Holder::Restore(request)) = before.etcd.clusters[cluster].lock {
                after.record.cleared[request] = true;
            }
        }
        Action::Trouble(Trouble::Abandoned(request) | Trouble::Stripped(request)) => {
            after.record.given_up[request] = true;
        }
        Action::Trouble(Trouble::NamespaceDeleted) => after.record.given_up = [true; REQUESTS],
        Action::Trouble(Trouble::RolledBack) => after.record.rolled_back = true,
        _ => {}
    }
    let mut broken = after.record.broken;
    let step = Step { before, action, after };
    for (index, (_, holds)) in INVARIANTS.iter().enumerate() {
        if !(0..REQUESTS).all(|request| holds(&step, request)) {
            broken |= 1 << index;
        }
    }
    after.record.broken = broken;
}

impl Step<'_> {
    fn sends(&self, request: usize) -> bool {
        matches!(self.action, Action::Pod(of, _, Act::Tail) if of == request)
    }

    /// Whether the servers have just proved that nothing was applied.
    fn denies(&self, request: usize) -> bool {
        match self.action {
            Action::Event(Event::ProofReports(of, Report::Failed)) => of == request,
            Action::Pod(of, pod, Act::Leave { report: Report::Failed, .. }) if of == request => {
                matches!(self.before.pods[request][pod].process, Process::Answered { .. })
            }
            _ => false,
        }
    }

    fn rolls_back(&self) -> bool {
        self.action == Action::Trouble(Trouble::RolledBack)
    }

    /// Who holds the lock of the cluster of a request.
    fn holder(state: &State, request: usize) -> Option<Holder> {
        state.etcd.cluster(request).lock
    }

    /// Whether a human answers for what is still on its way: they took the lock away, or gave up a restore that had
    /// claimed its ticket, or restored the same beside it.
    fn is_excused(&self, request: usize) -> bool {
        let record = &self.after.record;
        let given_up = record.given_up[request] && record.claimed[request];
        record.cleared[request] || given_up || record.by_hand[request]
    }
}

/// Whether the tail of the request is on its way, or a pod of it may still send it.
pub(crate) fn may_act(state: &State, request: usize) -> bool {
    let ticket = state.etcd.objects[request].restore.ticket;
    state.posts[request].is_on_its_way()
        || state.pods[request].iter().any(|pod| match pod.process {
            Process::Preparing | Process::Held | Process::Asked(_) => {
                let is_open = ticket.is_some_and(|ticket| ticket.is_open() && ticket.uid == pod.task.ticket);
                is_open && state.clock < Clock::Over
            }
            Process::Claimed => !state.quiet[request],
            _ => false,
        })
}

fn i1(step: &Step<'_>, request: usize) -> bool {
    let (before, after) = (Step::holder(step.before, request), Step::holder(step.after, request));
    let passes = before == Some(Holder::Restore(request)) && after.is_some() && after != before;
    !passes || step.rolls_back() || !may_act(step.after, request) || step.is_excused(request)
}

/// By whatever clusters they do it.
fn i1_alone(step: &Step<'_>, request: usize) -> bool {
    let etcd = &step.after.etcd;
    let works = |request: usize| {
        let object = &etcd.requests[request];
        let holds = Step::holder(step.after, request) == Some(Holder::Restore(request));
        holds && object.exists && !object.status.phase.is_terminal()
    };
    let others = (0..REQUESTS).filter(|other| *other != request).any(works);
    !(works(request) && others) || (0..REQUESTS).any(|it| step.is_excused(it))
}

fn i2(step: &Step<'_>, request: usize) -> bool {
    let ours = Step::holder(step.before, request) == Some(Holder::Restore(request));
    !step.sends(request) || ours || step.is_excused(request)
}

fn i3(step: &Step<'_>, request: usize) -> bool {
    step.after.record.sent[request] <= 1
}

fn i4(step: &Step<'_>, request: usize) -> bool {
    let after = step.after;
    let other = |other: usize| other != request && after.posts[other].is_on_its_way();
    let disturbed = (0..REQUESTS).any(other) || after.etcd.backup.pod_left();
    !after.posts[request].is_on_its_way() || !disturbed || (0..REQUESTS).any(|it| step.is_excused(it))
}

fn i5(step: &Step<'_>, request: usize) -> bool {
    let (before, after) = (&step.before.etcd.requests[request], &step.after.etcd.requests[request]);
    !before.status.phase.is_terminal() || before.status.phase == after.status.phase || step.rolls_back()
}

fn i6(step: &Step<'_>, request: usize) -> bool {
    let object = &step.after.etcd.requests[request];
    let completed = object.status.phase == Phase::Completed;
    !completed || step.after.claims[request].became || object.settled == Some(true)
}

fn i6_false(step: &Step<'_>, request: usize) -> bool {
    let status = step.after.etcd.requests[request].status;
    let denied = status.phase == Phase::Failed && status.applied == Some(Applied::False);
    let (before, after) = (step.before.posts[request], step.after.posts[request]);
    let changes = after.is_on_its_way() || (before.is_on_its_way() && after == Post::Applied);
    // An older etcd does not know what was done since.
    !denied || !changes || step.after.record.rolled_back
}

fn i6_not_ours(step: &Step<'_>, request: usize) -> bool {
    !step.denies(request) || step.before.bao.data != Data::Of(request)
}

fn i7(step: &Step<'_>, request: usize) -> bool {
    let ours = Some(Holder::Restore(request));
    let gives_back =
        Step::holder(step.before, request) == ours && Step::holder(step.after, request).is_none();
    let known = step.after.etcd.objects[request].pods;
    let left = step.after.pods[request]
        .iter()
        .zip(known)
        .any(|(pod, known)| known && pod.is_alive() && pod.process != Process::Late);
    let safe = !left && !may_act(step.after, request);
    !gives_back || safe || step.rolls_back() || step.is_excused(request)
}

fn i8(step: &Step<'_>, request: usize) -> bool {
    let Action::Pod(_, pod, _) = step.action else { return true };
    let sent = 1 + i64::from(step.before.pods[request][pod].task.edits);
    let accepted = step.before.etcd.requests[request].status.accepted;
    !step.sends(request) || accepted.is_none_or(|accepted| accepted == sent)
}

fn i10(step: &Step<'_>, request: usize) -> bool {
    let check = step.before.etcd.objects[request].check.ticket;
    let checked = check.is_none_or(|ticket| ticket.report == Some(super::state::Report::Done));
    !step.sends(request) || checked
}
