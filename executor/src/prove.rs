//! Asks the leader of the moment about the markers until the verdict is certain.

use crate::clock::Moment;
use crate::openbao::{Cluster, Connection, Node, Seen, leader_of};
use api::task::{Claim, Identity};
use jiff::Timestamp;
use plan::proof::{Doubt, Judge, Look, Lookup, Post, Verdict, active_anew_within};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Time between two looks.
const POLL: Duration = Duration::from_millis(500);
/// A server that answers nothing for so long after its acknowledgement does not come back by itself.
const HUNG: Duration = Duration::from_mins(5);

/// What is to be proved, and by whom.
pub(crate) struct Case<'a> {
    pub(crate) claim: &'a Claim,
    pub(crate) post: Post,
    /// Bytes of the snapshot.
    pub(crate) size: u64,
    /// Whether no POST can be on its way any more.
    pub(crate) nothing_on_its_way: bool,
    /// When this very pod read the 204.
    pub(crate) acknowledged: Option<Moment>,
    /// Whether the snapshot may have brought other keys, so that a sealed leader stays sealed.
    pub(crate) force: bool,
}

/// The verdict, and how the servers were when it was found.
pub(crate) struct Proof {
    pub(crate) verdict: Verdict,
    /// The look that it rests on.
    pub(crate) look: Option<Look>,
    /// When that was, by the leader's clock.
    pub(crate) asked: Option<Timestamp>,
    pub(crate) sealed: Vec<Sealed>,
    /// Whether the server that acknowledged answers nothing any more.
    pub(crate) hung: bool,
    /// Whether the server that the snapshot was sent to answered nothing in the last look.
    pub(crate) is_silent: bool,
    /// How long it was looked for.
    pub(crate) looked: Duration,
}

/// A sealed server.
pub(crate) struct Sealed {
    pub(crate) address: String,
    /// Kind of its seal, where it says so.
    pub(crate) kind: Option<String>,
}

/// Looks until it is known, or for this long, or until waiting is of no use. `pinned` is the connection of the POST.
pub(crate) async fn prove(
    cluster: &Cluster,
    case: &Case<'_>,
    mut pinned: Option<Connection>,
    longest: Duration,
) -> Proof {
    let begun = Moment::now();
    let mut judge = Judge::new(case.claim, case.post, case.size);
    let mut proof = Proof {
        verdict: judge.unseen(),
        look: None,
        asked: None,
        sealed: Vec::new(),
        hung: false,
        is_silent: false,
        looked: Duration::ZERO,
    };
    let (mut heard, mut gone) = (Instant::now(), None);
    loop {
        let seen = cluster.look().await;
        proof.is_silent = seen.iter().any(|one| one.address == case.claim.leader && one.is_silent);
        if !proof.is_silent {
            heard = Instant::now();
        }
        if let Some((mut look, asked)) = look(cluster, &seen, case, begun).await {
            look.acknowledged = acknowledged(&mut pinned, &look, case).await;
            proof.verdict = judge.look(&look);
            tracing::debug!(?look, verdict = ?proof.verdict, "looked for the proof");
            gone = since(gone, proof.verdict, look.at);
            (proof.look, proof.asked) = (Some(look), asked);
        }
        proof.hung = case.acknowledged.is_some() && heard.elapsed() >= HUNG;
        let stays_sealed = case.force && seen.iter().all(Seen::is_sealed);
        let is_known = !matches!(proof.verdict, Verdict::Unknown(_));
        let stays_gone = gone.is_some_and(|since| begun.at_least() > since + active_anew_within(case.size));
        if is_known || proof.hung || stays_sealed || stays_gone || begun.at_least() >= longest {
            (proof.sealed, proof.looked) = (sealed(cluster, &seen).await, begun.at_least());
            return proof;
        }
        sleep(POLL).await;
    }
}

/// Since when look after look has found neither marker. A leader that still restores, or hangs, says something else.
const fn since(before: Option<Duration>, verdict: Verdict, at: Duration) -> Option<Duration> {
    match (verdict, before) {
        (Verdict::Unknown(Doubt::Replaced | Doubt::NoMarker), None) => Some(at),
        (Verdict::Unknown(Doubt::Replaced | Doubt::NoMarker), before) => before,
        _ => None,
    }
}

/// Asks only the one server that leads, and that leads still, as the same OpenBao, when it has answered.
async fn look(
    cluster: &Cluster,
    seen: &[Seen],
    case: &Case<'_>,
    begun: Moment,
) -> Option<(Look, Option<Timestamp>)> {
    let (index, before) = leader_of(seen)?;
    let (node, at) = (cluster.node(index)?, begun.at_least());
    let active = before.active_time?;
    let (request, first) = lookup(node, &case.claim.marker).await;
    let marker = case.claim.origin.as_ref().map(|origin| &origin.marker);
    let marker = marker.filter(|marker| before.said_at.is_none_or(|now| now < marker.expires.0));
    let (snapshot, second) = match marker {
        Some(marker) => {
            let (found, took) = lookup(node, &marker.token).await;
            (Some(found), took)
        }
        None => (None, Duration::ZERO),
    };
    let (cluster_id, after) = tokio::join!(node.cluster_id(), node.leadership());
    let (cluster_id, after) = (cluster_id?, after.ok()?);
    let is_same = after.is_self && after.active_time == Some(active);
    let identity =
        Identity { cluster_id, active_time: active.to_string(), raft_index: before.raft_applied_index };
    let look = Look {
        leader: node.address.clone(),
        identity,
        request,
        snapshot,
        took: first.max(second),
        at,
        nothing_on_its_way: case.nothing_on_its_way,
        acknowledged: None,
    };
    is_same.then_some((look, after.said_at))
}

/// How long ago the leader of this look acknowledged the snapshot, if it is the very process that did: it says the same on the
/// connection of the POST. By its address alone another one could be taken for it.
async fn acknowledged(pinned: &mut Option<Connection>, look: &Look, case: &Case<'_>) -> Option<Duration> {
    let (read, connection) = (case.acknowledged?, pinned.as_mut()?);
    // It does not answer while it restores, and a question that gets no answer ends the connection.
    if look.identity.active_time == case.claim.identity.active_time {
        return None;
    }
    let said = connection.leadership().await.ok().filter(|said| said.is_self);
    let active = said.and_then(|said| said.active_time)?.to_string();
    (active == look.identity.active_time).then(|| read.at_most())
}

async fn lookup(node: &Node, marker: &str) -> (Lookup, Duration) {
    let begun = Instant::now();
    let found = match node.has_marker(marker).await {
        Ok(true) => Lookup::Present,
        Ok(false) => Lookup::Absent,
        Err(_) => Lookup::Unclear,
    };
    (found, begun.elapsed())
}

async fn sealed(cluster: &Cluster, seen: &[Seen]) -> Vec<Sealed> {
    let mut sealed = Vec::new();
    for (index, one) in seen.iter().enumerate().filter(|(_, one)| one.is_sealed()) {
        let kind = match cluster.node(index) {
            Some(node) => node.seal_kind().await,
            None => None,
        };
        sealed.push(Sealed { address: one.address.clone(), kind });
    }
    sealed
}

#[cfg(test)]
mod tests;
