//! The OpenBao that is restored: the truth about its data, and what the world does to them meanwhile.

use super::invariants::may_act;
use super::state::{Answer, Looked, Post, Process, REQUESTS, State};

/// What the snapshots are that are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Snapshot {
    /// Of this very OpenBao, with a marker. Whoever took them was killed before the marker was consumed.
    Own,
    /// Of another one, which this one becomes a clone of; with a marker.
    Foreign,
    /// Without any marker.
    Bare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Data {
    /// Its own of before, in whatever state, or those of a snapshot that nobody asked for.
    Own,
    /// Those of the snapshot of a request.
    Of(usize),
    /// Those of an OpenBao that was initialised anew.
    New,
}

/// The truth, and who answers in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bao {
    pub(crate) snapshot: Snapshot,
    pub(crate) data: Data,
    /// Whether the marker of the snapshot is in the data.
    pub(crate) alive: bool,
    /// Whether the marker is there that the check of a request has left.
    pub(crate) checked: [bool; REQUESTS],
    /// Another OpenBao, to which the names of the servers were turned.
    pub(crate) stranger: Option<Stranger>,
}

/// What another OpenBao says of the markers. It may say anything; what it cannot do is have our cluster id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stranger {
    /// That the request's is there.
    HasRequests,
    /// That the snapshot's is there.
    HasSnapshots,
}

/// What is left of an attempt: of its marker, and of the leader and the data that it was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may hold at once"
)]
pub(crate) struct Traces {
    /// Whether the request's marker is in the data.
    pub(crate) marked: bool,
    /// Whether the raft index is below that of the claim.
    pub(crate) behind: bool,
    /// Whether a leader became active since. Only who has no marker of the snapshot asks for it.
    pub(crate) anew: bool,
    /// Whether that is another server.
    pub(crate) elsewhere: bool,
    /// Whether the data became the snapshot's since its marker was asked for.
    pub(crate) became: bool,
}

/// What the world does; each uses up one of the run's hazards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hazard {
    /// Somebody restores another snapshot by hand.
    Other,
    /// Somebody restores the snapshot of a request by hand.
    Same(usize),
    /// The same with a snapshot that was taken after the marker of a request was made, and holds it.
    Marked(usize),
    /// Volumes are put back to before all requests.
    Before,
    /// Volumes are put back to between the marker of a request and its claim.
    Between(usize),
    /// The servers are initialised anew.
    Initialised,
    /// The names of the servers lead to another OpenBao from now on.
    Turned(Stranger),
    /// Another server leads, with the same data.
    StandbyLeads,
    /// The leader is frozen with the tail of a request in its socket.
    Frozen(usize),
}

impl Bao {
    pub(crate) const fn new(snapshot: Snapshot) -> Self {
        let alive = matches!(snapshot, Snapshot::Own);
        Self { snapshot, data: Data::Own, alive, checked: [true; REQUESTS], stranger: None }
    }

    /// Whether the marker of the snapshot of a request is there.
    pub(crate) fn has_snapshots(&self, request: usize) -> bool {
        // Before any restore it is that of the first request, which the backup has left.
        let is_there = self.alive && matches!(self.data, Data::Of(of) if of == request);
        is_there || (self.alive && self.data == Data::Own && request == 0)
    }
}

/// What may happen to the OpenBao while a restore of it is at stake.
pub(crate) fn hazards(state: &State, hazard: &mut impl FnMut(Hazard)) {
    let at_stake: Vec<usize> = (0..REQUESTS).filter(|request| is_at_stake(state, *request)).collect();
    if at_stake.is_empty() {
        return;
    }
    let is_frozen = state.posts.contains(&Post::Frozen);
    if !is_frozen && !is_busy(state) {
        hazard(Hazard::Other);
        for request in at_stake {
            hazard(Hazard::Same(request));
        }
        marked(state).for_each(|request| hazard(Hazard::Marked(request)));
    }
    marked(state).for_each(|request| hazard(Hazard::Between(request)));
    hazard(Hazard::Before);
    hazard(Hazard::Initialised);
    hazard(Hazard::StandbyLeads);
    if state.bao.stranger.is_none() {
        hazard(Hazard::Turned(Stranger::HasRequests));
        hazard(Hazard::Turned(Stranger::HasSnapshots));
    }
    for (request, post) in state.posts.iter().enumerate() {
        if matches!(post, Post::OnItsWay | Post::Thawed) {
            hazard(Hazard::Frozen(request));
        }
    }
}

fn is_at_stake(state: &State, request: usize) -> bool {
    let is_alive = state.pods[request].iter().any(|pod| pod.is_alive());
    !state.is_over(request) && (is_alive || has_claimed(state, request))
}

fn has_claimed(state: &State, request: usize) -> bool {
    state.record.claimed[request] || state.record.sent[request] > 0
}

/// The requests whose marker was made.
fn marked(state: &State) -> impl Iterator<Item = usize> {
    let asked =
        |request: usize| state.pods[request].iter().any(|pod| matches!(pod.process, Process::Asked(_)));
    (0..REQUESTS)
        .filter(move |request| !state.is_over(*request) && (asked(*request) || has_claimed(state, *request)))
}

/// Whether the leader takes no other snapshot: it has acknowledged one, and installs it. Where nothing else than that
/// acknowledgement can prove a restore, it counts that the leader installs none while it holds a POST, either.
fn is_busy(state: &State) -> bool {
    let is_bare = state.bao.snapshot == Snapshot::Bare;
    let holds = |process| is_bare && matches!(process, Process::Asked(_) | Process::Claimed);
    let watches = |process| matches!(process, Process::Answered { watched: true, .. });
    (0..REQUESTS).any(|request| {
        let any = |what: &dyn Fn(Process) -> bool| state.pods[request].iter().any(|pod| what(pod.process));
        any(&holds) || (state.posts[request].is_on_its_way() && (is_bare || any(&watches)))
    })
}

pub(crate) fn strike(state: &mut State, hazard: Hazard) {
    match hazard {
        Hazard::Other => replace(state, Data::Own, None),
        Hazard::Same(request) => {
            state.record.by_hand[request] |= may_act(state, request);
            replace(state, Data::Of(request), None);
        }
        Hazard::Marked(request) => replace(state, Data::Own, Some(request)),
        Hazard::Before => put_back(state, Data::Own, None),
        Hazard::Between(request) => put_back(state, Data::Own, Some(request)),
        Hazard::Initialised => put_back(state, Data::New, None),
        Hazard::Turned(stranger) => {
            state.bao.stranger = Some(stranger);
            begin_anew(state);
        }
        Hazard::StandbyLeads => {
            let is_watched = state.bao.snapshot == Snapshot::Bare;
            each(state, |_, traces| (traces.anew, traces.elsewhere) = (is_watched, is_watched));
            // What a frozen server has got no longer comes into the data once another one leads.
            drop_posts(state, |post, _| post == Post::Frozen);
            begin_anew(state);
        }
        Hazard::Frozen(request) => {
            state.posts[request] = Post::Frozen;
            for looked in state.looked.iter_mut().filter(|looked| **looked == Looked::Unbroken) {
                *looked = Looked::Broken;
            }
        }
    }
}

/// The data become others; `with` the markers of a request, where they hold them. The leader becomes active anew.
pub(crate) fn replace(state: &mut State, data: Data, with: Option<usize>) {
    state.bao.data = data;
    state.bao.alive = matches!(data, Data::Of(_));
    state.bao.checked = std::array::from_fn(|request| with == Some(request));
    let is_watched = state.bao.snapshot == Snapshot::Bare;
    each(state, |request, traces| {
        traces.marked = with == Some(request);
        traces.anew = is_watched;
        traces.became |= data == Data::Of(request);
    });
    begin_anew(state);
}

/// Servers that start with older data have none of what was sent to them, and get no more of it.
fn put_back(state: &mut State, data: Data, with: Option<usize>) {
    replace(state, data, with);
    each(state, |_, traces| traces.behind = true);
    drop_posts(state, |post, claimed| post.is_on_its_way() || (claimed && post == Post::None));
}

/// The tail of a request comes to nothing: whoever watched it sees that for longer than a restore takes.
pub(crate) fn drop_post(state: &mut State, request: usize) {
    state.posts[request] = Post::Dropped;
    for pod in &mut state.pods[request] {
        if let Process::Answered { answer: Answer::Acknowledged, watched } = &mut pod.process {
            *watched = false;
        }
    }
}

fn drop_posts(state: &mut State, which: fn(Post, bool) -> bool) {
    for request in 0..REQUESTS {
        if which(state.posts[request], has_claimed(state, request)) {
            drop_post(state, request);
        }
    }
}

/// A POST that is held finds that its leader moved, or that its connection broke, before anything is asked.
fn begin_anew(state: &mut State) {
    for pod in state.pods.iter_mut().flatten().filter(|pod| pod.process == Process::Held) {
        pod.process = Process::Preparing;
    }
}

/// Whatever is left of attempts that may still be claimed, or were.
fn each(state: &mut State, mut change: impl FnMut(usize, &mut Traces)) {
    for request in 0..REQUESTS {
        if has_claimed(state, request) && !state.is_over(request) {
            change(request, &mut state.claims[request]);
        }
        for pod in &mut state.pods[request] {
            if let Process::Asked(traces) = &mut pod.process {
                change(request, traces);
            }
        }
    }
}
