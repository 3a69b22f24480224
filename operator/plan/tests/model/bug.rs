//! Mistakes that were made elsewhere, or could be made here. Each is put back into the hands or into what they read;
//! the model has to notice every one.

use super::scopes::{CONTEST, LIFE, RACE, ROLLBACK, Scope, TROUBLE};

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
}

/// Each with a scope in which it shows, and what it breaks.
pub(crate) const BUGS: [(Bug, Scope, &str); 12] = [
    (Bug::LockWithoutVersion, CONTEST, "I1"),
    (Bug::TicketMadeAgain, Scope { troubles: 2, ..TROUBLE }, "I3"),
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
];
