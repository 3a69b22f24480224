//! How much of the world takes part in a run, and how much may go wrong in it.

use super::bao::Snapshot;
use super::state::REQUESTS;
use super::trouble::Trouble;

#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may hold at once"
)]
pub(crate) struct Scope {
    pub(crate) name: &'static str,
    pub(crate) requests: usize,
    /// Which requests may override the lock.
    pub(crate) overrides: [bool; REQUESTS],
    pub(crate) backup: bool,
    /// Whether each request names a cluster of its own, though there is one OpenBao.
    pub(crate) apart: bool,
    /// Looks on their way at once.
    pub(crate) looks: usize,
    /// Whether others may write between the read of a request and that of the rest.
    pub(crate) split: bool,
    /// Whether the checks are yet to be made.
    pub(crate) unchecked: bool,
    /// Whether to begin at every state of an undisturbed run, and not only at the first.
    pub(crate) everywhere: bool,
    /// How many troubles may come in one run, and which.
    pub(crate) troubles: u8,
    pub(crate) kinds: fn(Trouble) -> bool,
    /// What is restored, and how often the world may meddle with the OpenBao.
    pub(crate) snapshot: Snapshot,
    pub(crate) hazards: u8,
}

/// From its check on, one request by itself: its whole life in the order of the plan.
pub(crate) const LIFE: Scope = Scope {
    name: "one request from its check on",
    requests: 1,
    overrides: [false; REQUESTS],
    backup: false,
    apart: false,
    looks: 1,
    split: false,
    unchecked: true,
    everywhere: false,
    troubles: 0,
    kinds: any,
    snapshot: Snapshot::Own,
    hazards: 0,
};

/// Two looks of one request race each other.
pub(crate) const RACE: Scope =
    Scope { name: "two looks at one request", looks: 2, split: true, unchecked: false, ..LIFE };

/// Whatever may go wrong goes wrong, once.
pub(crate) const TROUBLE: Scope =
    Scope { name: "one request in trouble", unchecked: false, troubles: 1, ..LIFE };

/// etcd is set back to a state of before, after all that was asked for then is too late.
pub(crate) const ROLLBACK: Scope =
    Scope { name: "a rollback of etcd", unchecked: false, troubles: 3, kinds: rollback, ..LIFE };

/// A request that may override, and a backup that has the lock.
pub(crate) const OVERRIDE: Scope = Scope {
    name: "an overriding request and a backup",
    overrides: [true, false],
    backup: true,
    unchecked: false,
    ..LIFE
};

/// Two requests, each from its check on.
pub(crate) const SECOND: Scope =
    Scope { name: "two requests from their checks on", requests: 2, everywhere: true, ..LIFE };

/// The world meddles with the OpenBao, twice, and the pod may die of it.
pub(crate) const WORLD: Scope = Scope {
    name: "one request in a world that meddles",
    unchecked: false,
    troubles: 1,
    kinds: pod_goes,
    hazards: 2,
    ..LIFE
};

/// The same with the snapshot of another OpenBao.
pub(crate) const CLONE: Scope =
    Scope { name: "a clone in a world that meddles", snapshot: Snapshot::Foreign, ..WORLD };

/// The same with a snapshot that has no marker.
pub(crate) const BARE: Scope =
    Scope { name: "a snapshot without a marker in a world that meddles", snapshot: Snapshot::Bare, ..WORLD };

/// Two requests of two clusters that are one OpenBao.
pub(crate) const APART: Scope = Scope {
    name: "two clusters that are one OpenBao",
    requests: 2,
    apart: true,
    looks: 2,
    unchecked: false,
    everywhere: true,
    troubles: 1,
    ..LIFE
};

/// All at once.
pub(crate) const EVERYTHING: Scope = Scope {
    name: "two requests, one overriding, and a backup in trouble",
    requests: 2,
    overrides: [false, true],
    backup: true,
    apart: false,
    looks: 2,
    split: true,
    unchecked: false,
    everywhere: true,
    troubles: 3,
    kinds: all,
    snapshot: Snapshot::Own,
    hazards: 1,
};

impl Scope {
    pub(crate) fn allows(&self, trouble: Trouble) -> bool {
        (self.kinds)(trouble)
    }
}

/// Any but a rollback: it takes two troubles before anything goes wrong.
fn any(trouble: Trouble) -> bool {
    !rollback(trouble) || trouble == Trouble::Over
}

fn rollback(trouble: Trouble) -> bool {
    matches!(trouble, Trouble::Saved | Trouble::Over | Trouble::RolledBack)
}

fn all(_: Trouble) -> bool {
    true
}

fn pod_goes(trouble: Trouble) -> bool {
    matches!(trouble, Trouble::PodDies(..) | Trouble::PodLost(..) | Trouble::ProofDies(_))
}

/// Ticket and Job may go.
pub(crate) const REMADE: Scope = Scope {
    name: "a ticket and a Job that go",
    troubles: 2,
    kinds: |trouble| matches!(trouble, Trouble::TicketDeleted(_) | Trouble::JobDeleted(_)),
    ..TROUBLE
};

/// Two requests and a backup want the lock, and nothing goes wrong.
pub(crate) const CONTEST: Scope =
    Scope { name: "a contest for the lock", troubles: 0, split: false, ..EVERYTHING };
