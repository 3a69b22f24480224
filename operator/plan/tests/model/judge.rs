//! What the servers answer to whoever looks for the proof, and what the product's own judge says of it.

use super::bao::{Data, Snapshot, Stranger};
use super::bug::Bug;
use super::protocol::Protocol;
use super::state::{Answer, Looked, Post, State};
use api::task::{self, Identity, Origin, SnapshotMarker};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::proof::{Applied, Doubt, Judge, Look, Lookup, NotApplied, Post as Sent, Verdict};
use std::time::Duration;

/// Time between two looks, and for how long they must find the same.
const POLL: u64 = 2;
const SERIES: u64 = 30;
/// Any time after a leader that was frozen gave no answers for a while.
const LATER: u64 = 2 * SERIES;
/// Bytes of every snapshot.
const SIZE: u64 = 5;

/// Who looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) answer: Answer,
    /// Whether it is told that nothing is on its way.
    pub(crate) quiet: bool,
    /// Whether it is the pod whose POST was accepted, and has seen all that followed.
    pub(crate) watched: bool,
    pub(crate) looked: Looked,
}

/// What the claim of a request left; the marker of the request stays for as long as anybody asks.
pub(crate) fn claim(snapshot: Snapshot, nothing_after: Timestamp) -> task::Claim {
    let id = match snapshot {
        Snapshot::Own => Some("own"),
        Snapshot::Foreign => Some("source"),
        Snapshot::Bare => None,
    };
    let (token, created, expires) = ("s.s".to_owned(), Time(Timestamp::UNIX_EPOCH), Time(Timestamp::MAX));
    let marker = SnapshotMarker { token, created, expires };
    task::Claim {
        marker: "s.r".to_owned(),
        expires: Time(Timestamp::MAX),
        origin: id.map(|id| Origin { cluster_id: id.to_owned(), marker }),
        leader: leader(false),
        identity: identity("own", false, false),
        nothing_after: Time(nothing_after),
    }
}

/// What one look at the servers judges; none where their leader answers nothing.
pub(crate) fn verdict(protocol: &Protocol, state: &State, request: usize, asker: Asker) -> Verdict {
    let mut claim = claim(state.bao.snapshot, Timestamp::MAX);
    let answer = match asker.answer {
        Answer::Acknowledged => Some(task::Answer::Acknowledged),
        Answer::Refused => Some(task::Answer::Refused),
        Answer::Unclear => Some(task::Answer::Unclear),
    };
    let look = look(state, request, asker);
    if let Some(look) = &look {
        spoil(protocol.bug, &mut claim, look);
    }
    let mut judge = Judge::new(&claim, Sent::TailSent(answer), SIZE);
    let verdict =
        look.map_or(judge.unseen(), |look| judged(&mut judge, look, series(protocol, state, request, asker)));
    protocol.hear(verdict);
    match verdict {
        Verdict::Unknown(Doubt::Replaced | Doubt::NoMarker)
            if protocol.bug == Some(Bug::RequestsMarkerAlone) =>
        {
            Verdict::Applied(Applied::Marker)
        }
        verdict => verdict,
    }
}

/// The verdict on a tail that was never sent, whatever the servers say.
pub(crate) fn unsent(protocol: &Protocol, state: &State) -> Verdict {
    let claim = claim(state.bao.snapshot, Timestamp::MAX);
    let verdict = Judge::new(&claim, Sent::TailKept, SIZE).unseen();
    protocol.hear(verdict);
    verdict
}

/// Whether a look, and as many more of the same as it takes, prove that nothing was applied.
pub(crate) fn stays(protocol: &Protocol, state: &State, request: usize, asker: Asker) -> bool {
    let asker = Asker { looked: Looked::Nothing, ..asker };
    let claim = claim(state.bao.snapshot, Timestamp::MAX);
    let Some(look) = look(state, request, asker).filter(|_| protocol.bug != Some(Bug::OneLook)) else {
        return false;
    };
    let mut judge = Judge::new(&claim, Sent::TailSent(None), SIZE);
    judged(&mut judge, look, Looked::Unbroken) == Verdict::NotApplied(NotApplied::MarkerStays)
}

/// Whether the leader says that the snapshot's marker is there.
pub(crate) fn finds_snapshots(state: &State, request: usize) -> bool {
    match state.bao.stranger {
        Some(stranger) => stranger == Stranger::HasSnapshots,
        None => state.bao.has_snapshots(request),
    }
}

/// What the looks before this one have begun, as far as it still counts.
fn series(protocol: &Protocol, state: &State, request: usize, asker: Asker) -> Looked {
    match asker.looked {
        // A leader that goes on has come to the tail long before they are over.
        Looked::Unbroken if state.posts[request] == Post::Thawed => Looked::Nothing,
        Looked::Nothing if protocol.bug == Some(Bug::OneLook) => Looked::Unbroken,
        Looked::Broken if protocol.bug == Some(Bug::BrokenSeries) => Looked::Unbroken,
        looked => looked,
    }
}

/// The judge sees this look after those that were before it.
fn judged(judge: &mut Judge<'_>, look: Look, before: Looked) -> Verdict {
    let stays = |at| Look {
        identity: identity("own", false, false),
        request: Lookup::Present,
        snapshot: look.snapshot.map(|_| Lookup::Absent),
        at: Duration::from_secs(at),
        acknowledged: None,
        ..look.clone()
    };
    let (earlier, at) = match before {
        Looked::Nothing => (0, 0),
        Looked::Unbroken => (SERIES / POLL, SERIES),
        Looked::Broken => (1, LATER),
    };
    for number in 0..earlier {
        let _ = judge.look(&stays(number * POLL));
    }
    judge.look(&Look { at: Duration::from_secs(at), ..look })
}

fn look(state: &State, request: usize, asker: Asker) -> Option<Look> {
    let (bao, traces) = (&state.bao, &state.claims[request]);
    let found = |is_there| if is_there { Lookup::Present } else { Lookup::Absent };
    if state.posts.contains(&Post::Frozen) && bao.stranger.is_none() {
        return None;
    }
    let (id, marked) = match (bao.stranger, bao.data) {
        (Some(stranger), _) => ("other", stranger == Stranger::HasRequests),
        (None, Data::Of(_)) if bao.snapshot == Snapshot::Foreign => ("source", traces.marked),
        (None, Data::Own | Data::Of(_)) => ("own", traces.marked),
        (None, Data::New) => ("new", traces.marked),
    };
    Some(Look {
        leader: leader(traces.elsewhere),
        identity: identity(id, traces.anew, traces.behind && bao.stranger.is_none()),
        request: found(marked),
        snapshot: (bao.snapshot != Snapshot::Bare).then(|| found(finds_snapshots(state, request))),
        took: Duration::ZERO,
        at: Duration::ZERO,
        nothing_on_its_way: asker.quiet,
        acknowledged: asker.watched.then_some(Duration::ZERO),
    })
}

/// Puts a mistake into what is compared.
fn spoil(bug: Option<Bug>, claim: &mut task::Claim, look: &Look) {
    let id = match bug {
        Some(Bug::ClusterIdNotCompared) => look.identity.cluster_id.clone(),
        Some(Bug::CloneHeldToItsOldId) => claim.identity.cluster_id.clone(),
        _ => return,
    };
    claim.identity.cluster_id.clone_from(&id);
    claim.origin.iter_mut().for_each(|origin| origin.cluster_id.clone_from(&id));
}

fn leader(elsewhere: bool) -> String {
    format!("https://c-{}", u8::from(elsewhere))
}

fn identity(id: &str, anew: bool, behind: bool) -> Identity {
    let active_time = if anew { "2026-03-20T03:00:00Z" } else { "2026-03-20T01:00:00Z" };
    Identity {
        cluster_id: id.to_owned(),
        active_time: active_time.to_owned(),
        raft_index: 100 - u64::from(behind),
    }
}
