//! Leader election over one Lease, by the rule of Kubernetes' own components.
//!
//! A candidate takes over only when it has itself watched the Lease stay unchanged for as long as it is good, so the
//! clocks of two machines are never compared. A leader that could not renew stops well before that.

use std::time::Duration;

/// How long a Lease is good after its last renewal.
pub const DURATION: Duration = Duration::from_secs(15);

/// How long after its last renewal began a leader renews again.
pub const RENEW_AFTER: Duration = Duration::from_secs(5);

/// How long after its last good renewal began a leader still leads. The rest of [`DURATION`] is for a write that was
/// begun just before.
pub const LEADS_FOR: Duration = Duration::from_secs(10);

/// The parts of a Lease that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed<'a> {
    /// Who holds it; empty when it was vacated.
    pub holder: &'a str,
    /// How long its holder says that it is good.
    pub duration: Duration,
}

/// What a candidate does about the Lease now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody holds it, or its holder is gone: write our name, guarded by what was observed.
    Acquire,
    /// It is ours and due: write a new renewal, guarded by what was observed.
    Renew,
    /// It is ours and not due yet.
    Hold,
    /// It is another's, for so long at least.
    Wait(Duration),
}

/// The claim of candidate `me`. `unchanged_for` says how long ago we first saw another's Lease as it is; for our own,
/// how long ago our last good renewal began ([`Duration::MAX`]: there was none, or its answer was lost).
#[must_use]
pub fn decide(lease: Option<&Observed<'_>>, me: &str, unchanged_for: Duration) -> Claim {
    let Some(lease) = lease.filter(|lease| !lease.holder.is_empty()) else { return Claim::Acquire };
    if lease.holder == me {
        return if unchanged_for < RENEW_AFTER { Claim::Hold } else { Claim::Renew };
    }
    // A Lease that claims to be good for less than ours are was written by a hand or another release.
    match lease.duration.max(DURATION).checked_sub(unchanged_for) {
        Some(rest) if !rest.is_zero() => Claim::Wait(rest),
        _ => Claim::Acquire,
    }
}

/// Whether a candidate leads whose last good renewal began so long ago.
#[must_use]
pub fn leads(since_renewal: Duration) -> bool {
    since_renewal < LEADS_FOR
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_observation_has_its_claim() {
        let held = |holder| Observed { holder, duration: DURATION };
        for (name, lease, unchanged_for, claim) in [
            ("no Lease", None, Duration::ZERO, Claim::Acquire),
            ("vacated", Some(held("")), Duration::ZERO, Claim::Acquire),
            ("ours, fresh", Some(held("me")), SECOND, Claim::Hold),
            ("ours, due", Some(held("me")), RENEW_AFTER, Claim::Renew),
            ("another's, just seen", Some(held("other")), Duration::ZERO, Claim::Wait(DURATION)),
            ("another's, nearly over", Some(held("other")), SECOND * 14, Claim::Wait(SECOND)),
            ("another's, over", Some(held("other")), DURATION, Claim::Acquire),
            (
                "another's, good for longer than ours",
                Some(Observed { holder: "other", duration: SECOND * 60 }),
                DURATION,
                Claim::Wait(SECOND * 45),
            ),
            (
                "another's, good for no time at all",
                Some(Observed { holder: "other", duration: Duration::ZERO }),
                SECOND,
                Claim::Wait(SECOND * 14),
            ),
        ] {
            assert_eq!(decide(lease.as_ref(), "me", unchanged_for), claim, "{name}");
        }
    }

    /// The one Lease, with its version for compare-and-swap, and what each candidate knows.
    #[derive(Default)]
    struct World {
        now: Duration,
        holder: String,
        version: u64,
        candidates: [Candidate; 2],
    }

    #[derive(Default)]
    struct Candidate {
        seen: Option<(u64, Duration)>,
        /// Version that a write on its way expects, and when it began.
        writing: Option<(u64, Duration)>,
        renewed: Option<Duration>,
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Look(usize),
        /// The write arrives; its answer may be lost.
        Write(usize, bool),
        Restart(usize),
        Pass(u64),
    }

    impl World {
        fn happen(&mut self, event: Event) {
            match event {
                Event::Look(who) => self.look(who),
                Event::Write(who, answered) => self.write(who, answered),
                Event::Restart(who) => self.candidates[who] = Candidate::default(),
                Event::Pass(tenths) => self.now += Duration::from_millis(tenths * 100),
            }
        }

        fn look(&mut self, who: usize) {
            let candidate = &mut self.candidates[who];
            let seen = candidate.seen.filter(|(version, _)| *version == self.version);
            let (_, at) = *candidate.seen.insert(seen.unwrap_or((self.version, self.now)));
            let me = who.to_string();
            let since = if self.holder == me { candidate.renewed } else { Some(at) };
            let unchanged_for = since.map_or(Duration::MAX, |since| self.now.saturating_sub(since));
            let lease = Observed { holder: &self.holder, duration: DURATION };
            let claim = decide(Some(&lease), &me, unchanged_for);
            candidate.writing =
                matches!(claim, Claim::Acquire | Claim::Renew).then_some((self.version, self.now));
        }

        fn write(&mut self, who: usize, answered: bool) {
            let Some((version, began)) = self.candidates[who].writing.take() else { return };
            if version != self.version {
                return;
            }
            self.holder = who.to_string();
            self.version += 1;
            if answered {
                self.candidates[who].renewed = Some(began);
            }
        }

        fn leaders(&self) -> usize {
            self.candidates
                .iter()
                .filter(|it| it.renewed.is_some_and(|renewed| leads(self.now.saturating_sub(renewed))))
                .count()
        }
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            3 => (0..2_usize).prop_map(Event::Look),
            3 => (0..2_usize, any::<bool>()).prop_map(|(who, answered)| Event::Write(who, answered)),
            1 => (0..2_usize).prop_map(Event::Restart),
            2 => (0..160_u64).prop_map(Event::Pass),
        ]
    }

    proptest! {
        #[test]
        fn two_candidates_never_lead_at_once(events in prop::collection::vec(event(), 1..200)) {
            let mut world = World::default();
            for event in events {
                world.happen(event);
                prop_assert!(world.leaders() <= 1, "after {event:?} at {:?}", world.now);
            }
        }
    }
}
