//! The rotation, simulated: real certificates, two configurations, a webhook that reloads when it likes, and a process
//! that dies between any two writes.

use super::*;
use crate::renew::{self, Step};
use jiff::SignedDuration;
use proptest::prelude::*;

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// More steps than any state needs until there is only waiting.
const ENOUGH: usize = 8;

struct World {
    now: Timestamp,
    secret: Keyring,
    bundles: [String; 2],
    /// What the webhook has in memory.
    served: Option<Keyring>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Step,
    /// The process dies after the first of two configurations.
    HalfAPublish,
    Reload,
    Days(i32),
}

fn names() -> Vec<String> {
    vec!["webhook.system.svc".to_owned()]
}

impl World {
    fn new() -> Self {
        Self { now: START, secret: Keyring::default(), bundles: Default::default(), served: None }
    }

    fn next(&self) -> Step {
        let published = self.bundles.iter().all(|bundle| self.secret.is_published_in(bundle.as_bytes()));
        renew::next(&self.secret.state(&names(), published), self.now)
    }

    fn happen(&mut self, event: Event) {
        match (event, self.next()) {
            (Event::Step, Step::Change(change)) => {
                self.secret = self.secret.changed(change, &names(), self.now).unwrap();
            }
            (Event::Step, Step::Publish) => self.bundles = [self.secret.bundle(), self.secret.bundle()],
            (Event::HalfAPublish, Step::Publish) => self.bundles[0] = self.secret.bundle(),
            (Event::Reload, _) if !self.secret.leaf.certificate.is_empty() => {
                self.served = Some(self.secret.clone());
            }
            (Event::Days(days), _) => self.now += SignedDuration::from_hours(24) * days,
            _ => {}
        }
    }

    /// Every step until there is only waiting. Gives the steps.
    fn act(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        while !matches!(self.next(), Step::Wait(_)) {
            assert!(steps.len() < ENOUGH, "no end of steps: {steps:?}");
            steps.push(self.next());
            self.happen(Event::Step);
        }
        steps
    }

    /// Every step until there is only waiting, and a reload. Gives the steps.
    fn settle(&mut self) -> Vec<Step> {
        let steps = self.act();
        self.happen(Event::Reload);
        steps
    }

    /// Whether a caller would accept what the webhook serves; nothing and the expired are not served at all.
    fn is_trusted(&self) -> bool {
        let Some(served) = &self.served else { return true };
        let leaf = first(&served.leaf.certificate).unwrap();
        read::validity(&leaf).unwrap().is_over(self.now)
            || self.bundles.iter().all(|bundle| served.is_trusted_by(bundle.as_bytes(), self.now))
    }
}

#[test]
fn the_first_leaf_comes_only_after_its_authority_was_read_back() {
    let mut world = World::new();
    let steps = world.settle();
    let expected = [Step::Change(Change::AddAuthority), Step::Publish, Step::Change(Change::Promote)];
    assert_eq!(steps, expected);
    assert!(world.served.is_some() && world.is_trusted());
}

#[test]
fn two_years_end_with_one_authority_and_never_without_a_good_leaf() {
    let mut world = World::new();
    world.settle();
    let first_authority = world.secret.signer.certificate.clone();
    for _ in 0..730 {
        world.happen(Event::Days(1));
        world.settle();
        let served = world.served.as_ref().unwrap();
        assert!(served.is_trusted_by(world.bundles[0].as_bytes(), world.now), "at {}", world.now);
        let authorities = read::certificates(world.bundles[0].as_bytes()).len();
        assert!((1..=2).contains(&authorities), "{authorities} at {}", world.now);
    }
    assert!(!world.bundles[0].contains(&first_authority));
}

#[test]
fn a_webhook_that_never_reloads_is_trusted_until_its_leaf_expires() {
    let mut world = World::new();
    world.settle();
    let first_authority = world.secret.signer.certificate.clone();
    while world.secret.signer.certificate == first_authority {
        world.happen(Event::Reload);
        world.happen(Event::Days(1));
        world.act();
    }
    let expiry = read::validity(&first(&world.served.as_ref().unwrap().leaf.certificate).unwrap()).unwrap();
    while !expiry.is_over(world.now) {
        assert!(world.is_trusted(), "at {}", world.now);
        world.happen(Event::Days(1));
        world.act();
    }
    world.happen(Event::Days(1));
    world.act();
    assert!(!world.bundles[0].contains(&first_authority));
}

#[test]
fn garbage_in_the_secret_is_replaced() {
    let mut good = World::new();
    good.settle();
    let garbage = || Pair { certificate: "garbage".to_owned(), key: "garbage".to_owned() };
    let other = issue::authority("other", START, AUTHORITY_LIFETIME).unwrap();
    for (name, secret) in [
        ("leaf", Keyring { leaf: garbage(), ..good.secret.clone() }),
        ("signer", Keyring { signer: garbage(), ..good.secret.clone() }),
        (
            "signer's key",
            Keyring {
                signer: Pair { key: other.key.clone(), ..good.secret.signer.clone() },
                ..good.secret.clone()
            },
        ),
        ("another's signer", Keyring { signer: other.clone(), ..good.secret.clone() }),
        ("a leaf as signer", Keyring { signer: good.secret.leaf.clone(), ..good.secret.clone() }),
        ("next", Keyring { next: garbage(), ..good.secret.clone() }),
        ("previous", Keyring { previous: "garbage".to_owned(), ..good.secret.clone() }),
        ("all", Keyring { leaf: garbage(), signer: garbage(), next: garbage(), previous: "x".to_owned() }),
    ] {
        let mut world = World { secret, bundles: good.bundles.clone(), ..World::new() };
        world.settle();
        let served = world.served.as_ref().unwrap();
        assert!(served.is_trusted_by(world.bundles[1].as_bytes(), world.now), "{name}");
    }
}

#[test]
fn a_webhook_of_another_name_gets_a_leaf_of_its_own() {
    let mut world = World::new();
    world.settle();
    let state = world.secret.state(&["renamed.system.svc".to_owned()], true);
    assert_eq!(renew::next(&state, world.now), Step::Change(Change::RenewLeaf));
}

#[test]
fn the_data_of_the_secret_are_read_back_as_written() {
    let mut world = World::new();
    world.settle();
    let data = world.secret.data();
    let value =
        |key: &str| data.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value).to_owned();
    assert_eq!(Keyring::from_data(value), world.secret);
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Step),
        1 => Just(Event::HalfAPublish),
        2 => Just(Event::Reload),
        2 => (0..40).prop_map(Event::Days),
        1 => (0..400).prop_map(Event::Days),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_served_is_trusted_by_every_configuration(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
            prop_assert!(world.is_trusted(), "after {event:?} at {}", world.now);
        }
        world.settle();
        prop_assert!(world.served.is_some() && world.is_trusted());
    }
}
