//! Decides the next step of the rotation; computes only.
//!
//! A new authority is published beside the old one before it signs anything, and it signs only once it was read back
//! from every configuration. The old one leaves when every leaf that it signed has expired. Each step is one write, so
//! a process that dies between two leaves a state from which the next process goes on.

use crate::read::Validity;
use jiff::{SignedDuration, Timestamp};

/// How long an authority is good. Long enough that a rotation is rare, short enough that it is practised.
pub const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How long a leaf is good. It bounds how long a stolen one serves, and how long an old authority stays trusted.
pub const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How far the clocks of API server, webhook and operator may be apart: an authority stays trusted for so long after
/// its last leaf expired.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What is known of the PKI Secret and of the configurations that trust it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The authority that signs; none if it is absent, unreadable or without its key.
    pub signer: Option<Validity>,
    /// The authority that will sign next, under the same conditions.
    pub next: Option<Validity>,
    /// For each authority that signs no more: when the last leaf that it signed expires.
    pub previous: Vec<Timestamp>,
    /// The leaf; none unless it has its key and our names, and the signer signed it.
    pub leaf: Option<Validity>,
    /// Whether every configuration was read back with exactly the authorities of the Secret.
    pub published: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write the Secret.
    Change(Change),
    /// Write the authorities of the Secret into every configuration.
    Publish,
    /// Nothing is due before this time.
    Wait(Timestamp),
}

/// A change of the Secret, as one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add an authority that signs nothing yet.
    AddAuthority,
    /// Let the next authority sign: it signs a new leaf, and the signer so far becomes a previous one.
    Promote,
    /// Let the signer sign a new leaf.
    RenewLeaf,
    /// Drop each previous authority whose leaves have all expired.
    Retire,
}

/// The next step. Every state has one, and doing it leads on until there is only waiting.
#[must_use]
pub fn next(state: &State, now: Timestamp) -> Step {
    let usable = |authority: &Option<Validity>| authority.filter(|validity| !validity.is_over(now));
    if let Some(signer) = usable(&state.signer)
        && leaf_due(&signer, state.leaf.as_ref(), now)
    {
        return Step::Change(Change::RenewLeaf);
    }
    let signer_due = state.signer.is_none_or(|signer| renewal(&signer) <= now);
    let next = usable(&state.next);
    if signer_due && next.is_none() {
        return Step::Change(Change::AddAuthority);
    }
    if !state.published {
        return Step::Publish;
    }
    if next.is_some() {
        return Step::Change(Change::Promote);
    }
    if state.previous.iter().any(|end| is_retired(*end, now)) {
        return Step::Change(Change::Retire);
    }
    Step::Wait(wake(state))
}

/// Whether an authority whose last leaf expires at `end` need not be trusted any more.
pub(crate) fn is_retired(end: Timestamp, now: Timestamp) -> bool {
    CLOCK_SKEW <= now.duration_since(end)
}

/// When a certificate is replaced: after two thirds of its life, which leaves a third for whatever goes wrong.
fn renewal(validity: &Validity) -> Timestamp {
    let life = validity.not_after.duration_since(validity.not_before);
    // A certificate whose end is before its beginning is due at once.
    validity.not_before.checked_add(life / 3 * 2).unwrap_or(validity.not_after)
}

/// A leaf never outlives its authority, so one that ends with it cannot be bettered by the same authority.
fn leaf_due(signer: &Validity, leaf: Option<&Validity>, now: Timestamp) -> bool {
    leaf.is_none_or(|leaf| renewal(leaf) <= now && leaf.not_after < signer.not_after)
}

fn wake(state: &State) -> Timestamp {
    let renewals = [state.signer, state.leaf].into_iter().flatten().map(|validity| renewal(&validity));
    let ends = state.previous.iter().filter_map(|end| end.checked_add(CLOCK_SKEW).ok());
    renewals.chain(ends).min().unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    /// Valid from so many days ago until so many days ahead.
    fn validity(ago: i32, ahead: i32) -> Validity {
        Validity { not_before: NOW - DAY * ago, not_after: NOW + DAY * ahead }
    }

    fn settled() -> State {
        State {
            signer: Some(validity(10, 355)),
            leaf: Some(validity(5, 25)),
            published: true,
            ..State::default()
        }
    }

    #[test]
    fn each_state_has_its_step() {
        let published = State { published: true, ..State::default() };
        for (name, state, step) in [
            ("nothing yet", State::default(), Step::Change(Change::AddAuthority)),
            ("not published yet", State { next: Some(validity(0, 365)), ..State::default() }, Step::Publish),
            (
                "published",
                State { next: Some(validity(0, 365)), ..published.clone() },
                Step::Change(Change::Promote),
            ),
            ("settled", settled(), Step::Wait(NOW + DAY * 15)),
            ("a bundle was overwritten", State { published: false, ..settled() }, Step::Publish),
            (
                "leaf at 2/3",
                State { leaf: Some(validity(20, 10)), ..settled() },
                Step::Change(Change::RenewLeaf),
            ),
            ("leaf gone", State { leaf: None, ..settled() }, Step::Change(Change::RenewLeaf)),
            (
                "leaf due while a bundle is overwritten again and again",
                State { leaf: Some(validity(20, 10)), published: false, ..settled() },
                Step::Change(Change::RenewLeaf),
            ),
            (
                "signer at 2/3",
                State { signer: Some(validity(244, 121)), ..settled() },
                Step::Change(Change::AddAuthority),
            ),
            (
                "signer expired with its leaf",
                State { signer: Some(validity(366, -1)), leaf: Some(validity(31, -1)), ..settled() },
                Step::Change(Change::AddAuthority),
            ),
            (
                "next expired before it signed",
                State { next: Some(validity(366, -1)), ..published },
                Step::Change(Change::AddAuthority),
            ),
            (
                "leaf that ends with its signer",
                State {
                    signer: Some(validity(364, 1)),
                    leaf: Some(validity(20, 1)),
                    next: Some(validity(0, 365)),
                    ..settled()
                },
                Step::Change(Change::Promote),
            ),
            (
                "previous still needed",
                State { previous: vec![NOW], ..settled() },
                Step::Wait(NOW + CLOCK_SKEW),
            ),
            (
                "previous no longer needed",
                State { previous: vec![NOW + DAY, NOW - CLOCK_SKEW], ..settled() },
                Step::Change(Change::Retire),
            ),
        ] {
            assert_eq!(next(&state, NOW), step, "{name}");
        }
    }
}
