//! How much of the world takes part in a run, and how much may go wrong in it.

use super::state::REQUESTS;
use super::world::Trouble;

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
}

/// From its check on, one request by itself: its whole life in the order of the plan.
pub(crate) const LIFE: Scope = Scope {
    name: "one request from its check on",
    requests: 1,
    overrides: [false; REQUESTS],
    backup: false,
    looks: 1,
    split: false,
    unchecked: true,
    everywhere: false,
    troubles: 0,
    kinds: any,
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

/// All at once.
pub(crate) const EVERYTHING: Scope = Scope {
    name: "two requests, one overriding, and a backup in trouble",
    requests: 2,
    overrides: [false, true],
    backup: true,
    looks: 2,
    split: true,
    unchecked: false,
    everywhere: true,
    troubles: 3,
    kinds: all,
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

/// Two requests and a backup want the lock, and nothing goes wrong.
pub(crate) const CONTEST: Scope =
    Scope { name: "a contest for the lock", troubles: 0, split: false, ..EVERYTHING };
