//! Mistakes that were made elsewhere, or could be made here. Each is put back into the hands or into what they read;
//! the model has to notice every one.

use super::scopes::{APART, CLONE, CONTEST, LIFE, RACE, REMADE, ROLLBACK, SECOND, Scope, TROUBLE, WORLD};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The lock is written whatever became of the cluster since it was read.
    LockWithoutVersion,
    /// A recorded ticket that is missing is made once more.
    TicketMadeAgain,
    /// A status is written whatever became of the request since it was read.
    StatusOfStaleLeader,
    /// The lock of another request is overridden while its pod may still claim.
    OverrideBeforeFencing,
    /// A POST without an answer is sent again.
    PostRetried,
    /// The lock is given back while a pod is left.
    ReleaseBeforePodsEnded,
    /// The acknowledgement counts as proof.
    CompletedOnAcknowledgement,
    /// A pod claims whatever became of the ticket since it was read.
    TicketClaimedTwice,
    /// A request is ended without a claim of its ticket.
    CancelWithoutClaim,
    /// The operator claims whatever became of the ticket since it was read.
    FenceWithoutVersion,
    /// A marker that is still there counts as proof while a POST may be on its way.
    NotAppliedTooEarly,
    /// A pod claims however late it is.
    NotAfterIgnored,
    /// The claim comes before the POST, so that the tail goes whenever the rest has gone.
    ClaimBeforePost,
    /// The tail goes, whatever became of the claim.
    TailWithoutClaim,
    /// That the request's marker is gone counts as proof.
    RequestsMarkerAlone,
    /// Whoever answers is taken for the OpenBao of the claim, or for that of the snapshot.
    ClusterIdNotCompared,
    /// A clone is to have the cluster id of before its restore.
    CloneHeldToItsOldId,
    /// The snapshot's marker stays in the live cluster.
    NotConsumedInLive,
    /// The snapshot's marker is not asked for before the claim.
    NotAskedBeforeClaim,
    /// The snapshot's marker is consumed before anybody has the Report.
    ConsumedBeforeReport,
    /// The snapshot's marker is consumed by the check of another request for it.
    ConsumedByCheck,
    /// The first look that finds the request's marker is believed, though its leader may have been frozen until then.
    OneLook,
    /// Two looks are believed, though the leader may have been frozen in between.
    BrokenSeries,
    /// The lock of a cluster is taken, whoever works on its OpenBao by another one.
    ArbiterIgnored,
    /// The Lease of an OpenBao is written whatever became of it since it was read.
    ArbiterWithoutVersion,
}

const LIVENESS: &str = "left alone";

/// Each with a scope in which it shows, and what it breaks.
pub(crate) const BUGS: [(Bug, Scope, &str); 25] = [
    (Bug::LockWithoutVersion, CONTEST, "I1"),
    (Bug::TicketMadeAgain, REMADE, "I3"),
    (Bug::StatusOfStaleLeader, RACE, "I5"),
    (Bug::OverrideBeforeFencing, CONTEST, "I1"),
    (Bug::PostRetried, LIFE, "I3"),
    (Bug::ReleaseBeforePodsEnded, TROUBLE, "I7"),
    (Bug::CompletedOnAcknowledgement, LIFE, "I6"),
    (Bug::TicketClaimedTwice, TROUBLE, "I3"),
    (Bug::CancelWithoutClaim, TROUBLE, "I7"),
    (Bug::FenceWithoutVersion, TROUBLE, "I7"),
    (Bug::NotAppliedTooEarly, TROUBLE, "I6"),
    (Bug::NotAfterIgnored, ROLLBACK, "I3"),
    (Bug::ClaimBeforePost, TROUBLE, "I7"),
    (Bug::TailWithoutClaim, TROUBLE, "I6"),
    (Bug::RequestsMarkerAlone, WORLD, "I6"),
    (Bug::ClusterIdNotCompared, WORLD, "I6"),
    (Bug::CloneHeldToItsOldId, CLONE, LIVENESS),
    (Bug::NotConsumedInLive, TROUBLE, "I6"),
    (Bug::NotAskedBeforeClaim, CLONE, "I6"),
    (Bug::ConsumedBeforeReport, TROUBLE, LIVENESS),
    (Bug::ConsumedByCheck, SECOND, LIVENESS),
    (Bug::OneLook, WORLD, "I6"),
    (Bug::BrokenSeries, Scope { troubles: 0, ..WORLD }, "I6"),
    (Bug::ArbiterIgnored, APART, "I1"),
    (Bug::ArbiterWithoutVersion, Scope { everywhere: false, troubles: 0, ..APART }, "I1"),
];
