//! Asks the current leader about the marker until the verdict is certain.

use crate::openbao::{Cluster, Seen};
use api::task::Marker;
use jiff::Timestamp;
use plan::proof::{Evidence, Lookup, Post, Verdict, judge};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Longest time for a proof.
const LONGEST: Duration = Duration::from_mins(10);
/// Time between two looks.
const POLL: Duration = Duration::from_millis(500);

/// What a restore did, for whoever wants to prove it.
pub(crate) struct Claim<'a> {
    pub(crate) marker: &'a Marker,
    /// Since when the leader was active before the POST.
    pub(crate) active_before: Timestamp,
    pub(crate) claimed: Timestamp,
    pub(crate) post: Post,
}

/// The verdict, and the servers that were sealed when it was found.
pub(crate) struct Proof {
    pub(crate) verdict: Verdict,
    pub(crate) sealed: Vec<String>,
}

/// Looks until it is known, or for 10 minutes.
pub(crate) async fn prove(cluster: &Cluster, claim: &Claim<'_>) -> Proof {
    let begun = Instant::now();
    loop {
        let seen = cluster.look().await;
        let (lookup, active_now) = ask_leader(cluster, &seen, claim.marker).await;
        let evidence = Evidence {
            lookup,
            marker_expires: claim.marker.expires.0,
            active_before: claim.active_before,
            active_now,
            post: claim.post,
            claimed: claim.claimed,
        };
        let verdict = judge(&evidence, Timestamp::now());
        tracing::debug!(?evidence, ?verdict, "looked for the proof");
        if verdict != Verdict::Unknown || begun.elapsed() > LONGEST {
            let sealed = seen.iter().filter(|one| one.is_sealed()).map(|one| one.address.clone());
            return Proof { verdict, sealed: sealed.collect() };
        }
        sleep(POLL).await;
    }
}

/// Asks only the one server that says it is the leader; its `active_time` before and after the answer is the same.
async fn ask_leader(cluster: &Cluster, seen: &[Seen], marker: &Marker) -> (Lookup, Option<Timestamp>) {
    let leads = |one: &Seen| one.leadership.as_ref().is_ok_and(|leadership| leadership.is_self);
    let mut leaders = seen.iter().enumerate().filter(|(_, one)| leads(one));
    let (Some((index, leader)), None) = (leaders.next(), leaders.next()) else {
        return (Lookup::Unclear, None);
    };
    let before = leader.leadership.as_ref().ok().and_then(|leadership| leadership.active_time);
    let Some(node) = cluster.node(index) else { return (Lookup::Unclear, None) };
    let lookup = match node.lookup(&marker.token).await {
        Ok(answer) if answer.status == 200 => Lookup::Present,
        Ok(answer) if answer.status == 400 => Lookup::Absent,
        Ok(_) | Err(_) => Lookup::Unclear,
    };
    match node.leadership().await {
        Ok(after) if after.is_self && after.active_time == before => (lookup, before),
        Ok(_) | Err(_) => (Lookup::Unclear, None),
    }
}
