//! Asks the current leader about the marker until the verdict is certain.

use crate::clock::Moment;
use crate::openbao::{Cluster, Seen, leader_of};
use jiff::{SignedDuration, Timestamp};
use plan::proof::{Evidence, Lookup, Post, Verdict, judge};
use std::time::Duration;
use tokio::time::sleep;

/// Time between two looks.
const POLL: Duration = Duration::from_millis(500);

/// What a restore did, for whoever wants to prove it. Times are by the clock of its leader.
pub(crate) struct Claim<'a> {
    pub(crate) token: &'a str,
    pub(crate) expires: Timestamp,
    /// Since when the leader was active before the POST.
    pub(crate) active_before: Timestamp,
    pub(crate) claimed: Timestamp,
    pub(crate) post: Post,
    pub(crate) end: End,
}

/// From when on nothing of the POST can be on its way any more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Now, or nobody knows.
    Said(bool),
    /// This long after the claim, by this pod's clock.
    After(Moment, SignedDuration),
}

impl End {
    fn is_over(self) -> bool {
        match self {
            Self::Said(over) => over,
            Self::After(claim, limit) => {
                Duration::try_from(limit).is_ok_and(|limit| claim.at_least() >= limit)
            }
        }
    }
}

/// The verdict, and how the servers were when it was found.
pub(crate) struct Proof {
    pub(crate) verdict: Verdict,
    /// Address of the leader of now.
    pub(crate) leader: Option<String>,
    pub(crate) sealed: Vec<Sealed>,
    /// How long it was looked for.
    pub(crate) looked: Duration,
}

/// A sealed server.
pub(crate) struct Sealed {
    pub(crate) address: String,
    /// Kind of its seal, where it says so.
    pub(crate) kind: Option<String>,
}

/// What the leader of now says.
struct Said {
    leader: String,
    lookup: Lookup,
    asked: Option<Timestamp>,
    active: Option<Timestamp>,
}

/// Looks until it is known, or for this long.
pub(crate) async fn prove(cluster: &Cluster, claim: &Claim<'_>, longest: Duration) -> Proof {
    let begun = Moment::now();
    loop {
        // Before the leader is asked: what comes later proves nothing about an answer of before.
        let nothing_on_its_way = claim.end.is_over();
        let seen = cluster.look().await;
        let said = ask_leader(cluster, &seen, claim.token).await;
        let evidence = Evidence {
            lookup: said.as_ref().map_or(Lookup::Unclear, |said| said.lookup),
            asked: said.as_ref().and_then(|said| said.asked),
            active_now: said.as_ref().and_then(|said| said.active),
            active_before: claim.active_before,
            claimed: claim.claimed,
            marker_expires: claim.expires,
            post: claim.post,
            nothing_on_its_way,
        };
        let verdict = judge(&evidence);
        tracing::debug!(?evidence, ?verdict, "looked for the proof");
        if verdict != Verdict::Unknown || begun.at_least() > longest {
            let (leader, sealed) = (said.map(|said| said.leader), sealed(cluster, &seen).await);
            return Proof { verdict, leader, sealed, looked: begun.at_least() };
        }
        sleep(POLL).await;
    }
}

/// Asks only the one server that leads; its `active_time` before and after the answer is the same.
async fn ask_leader(cluster: &Cluster, seen: &[Seen], token: &str) -> Option<Said> {
    let (index, before) = leader_of(seen)?;
    let node = cluster.node(index)?;
    let lookup = match node.has_marker(token).await {
        Ok(true) => Lookup::Present,
        Ok(false) => Lookup::Absent,
        Err(_) => Lookup::Unclear,
    };
    let after = node.leadership().await.ok()?;
    (after.is_self && after.active_time == before.active_time).then(|| Said {
        leader: node.address.clone(),
        lookup,
        asked: after.said_at,
        active: after.active_time,
    })
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
