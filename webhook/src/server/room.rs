//! Who is connected. A full room never keeps a newcomer out for the sake of somebody who is silent: an API server has to
//! get in, whoever else has come in whatever number.

use crate::metrics::Metrics;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Connections of one source that are nobody's business. An API server has few, and keeps them.
const FAIR: usize = 16;

/// How far a guest has come. Who has come less far goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It has connected, and perhaps begun the TLS handshake.
    Arriving,
    /// No request was complete yet.
    Unasked,
    /// Between two requests.
    Idle,
    /// A request is being answered. Never sent away.
    Busy,
}

/// Everybody who is connected, at most as many as there is room for.
#[derive(Debug)]
pub(super) struct Room {
    capacity: usize,
    /// How long every guest may stay where it has got to, however many want in.
    grace: Duration,
    metrics: Arc<Metrics>,
    guests: Mutex<Guests>,
}

#[derive(Debug, Default)]
struct Guests {
    arrivals: u64,
    present: HashMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    source: IpAddr,
    stage: Stage,
    since: Instant,
    leave: CancellationToken,
}

/// A place in the room; it is free again once this value is gone.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    number: u64,
    leave: CancellationToken,
    asked: CancellationToken,
}

impl Room {
    pub(super) fn new(capacity: usize, grace: Duration, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { capacity, grace, metrics, guests: Mutex::default() })
    }

    /// A place for a newcomer, if need be that of somebody else. None while all are busy, or within their grace.
    pub(super) fn enter(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let mut guests = self.guests();
        if guests.present.len() >= self.capacity {
            guests.make_room(self.grace)?;
            self.metrics.evicted.inc();
        }
        guests.arrivals += 1;
        let (number, leave) = (guests.arrivals, CancellationToken::new());
        let (stage, since) = (Stage::Arriving, Instant::now());
        let guest = Guest { source: group(source), stage, since, leave: leave.clone() };
        guests.present.insert(number, guest);
        self.metrics.connections.inc();
        drop(guests);
        Some(Place { room: Arc::clone(self), number, leave, asked: CancellationToken::new() })
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// Sends away one guest: of the source with most guests, if it has more than its share; of these the one that has
    /// come least far, and longest ago.
    fn make_room(&mut self, grace: Duration) -> Option<()> {
        let mut of_source: HashMap<IpAddr, usize> = HashMap::new();
        for guest in self.present.values() {
            *of_source.entry(guest.source).or_default() += 1;
        }
        let excess =
            |guest: &Guest| of_source.get(&guest.source).map_or(0, |count| count.saturating_sub(FAIR));
        let may_go = |guest: &Guest| guest.stage != Stage::Busy && guest.since.elapsed() >= grace;
        let idle = self.present.iter().filter(|(_, guest)| may_go(guest));
        let number = *idle
            .min_by_key(|(number, guest)| (Reverse(excess(guest)), guest.stage, guest.since, **number))?
            .0;
        self.present.remove(&number)?.leave.cancel();
        Some(())
    }
}

impl Place {
    /// Says how far the guest has come.
    pub(super) fn reached(&self, stage: Stage) {
        if stage == Stage::Busy {
            self.asked.cancel();
        }
        if let Some(guest) = self.room.guests().present.get_mut(&self.number) {
            (guest.stage, guest.since) = (stage, Instant::now());
        }
    }

    /// Ends when the place is needed for somebody else.
    pub(super) async fn is_needed(&self) {
        self.leave.cancelled().await;
    }

    /// Ends with the first whole head of a request.
    pub(super) async fn is_asked(&self) {
        self.asked.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.metrics.connections.dec();
        self.room.guests().present.remove(&self.number);
    }
}

/// Whoever has one address of IPv6 has 64 bits of them.
fn group(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API_SERVER: [u8; 4] = [10, 0, 0, 1];
    const FLOOD: [u8; 4] = [10, 0, 0, 2];

    fn room(capacity: usize) -> Arc<Room> {
        Room::new(capacity, Duration::ZERO, Arc::new(Metrics::new()))
    }

    fn at(room: &Arc<Room>, source: [u8; 4], stage: Stage) -> Place {
        let place = room.enter(source.into()).unwrap();
        place.reached(stage);
        place
    }

    fn has_left(place: &Place) -> bool {
        place.leave.is_cancelled()
    }

    #[test]
    fn who_has_done_least_goes_first_and_who_is_busy_never() {
        let room = room(4);
        let stages = [Stage::Busy, Stage::Idle, Stage::Unasked, Stage::Arriving];
        let [busy, idle, unasked, arriving] = stages.map(|stage| at(&room, API_SERVER, stage));
        let mut later = Vec::new();
        for next in [&arriving, &unasked, &idle] {
            assert!(!has_left(next));
            later.push(at(&room, API_SERVER, Stage::Busy));
            assert!(has_left(next));
        }
        assert!(room.enter(API_SERVER.into()).is_none(), "all are busy");
        assert!(!has_left(&busy));
    }

    #[test]
    fn nobody_goes_before_there_was_time_to_say_something() {
        let room = Room::new(1, Duration::from_hours(1), Arc::new(Metrics::new()));
        let first = at(&room, FLOOD, Stage::Arriving);
        assert!(room.enter(API_SERVER.into()).is_none());
        drop(first);
        assert!(room.enter(API_SERVER.into()).is_some());
    }

    #[test]
    fn of_equals_the_one_goes_that_has_not_moved_for_longest() {
        let room = room(2);
        let (first, second) = (at(&room, FLOOD, Stage::Idle), at(&room, FLOOD, Stage::Idle));
        first.reached(Stage::Busy);
        first.reached(Stage::Idle);
        let _third = at(&room, FLOOD, Stage::Idle);
        assert!(has_left(&second) && !has_left(&first));
    }

    #[test]
    fn a_flood_drives_out_itself_however_far_it_has_come() {
        let room = room(64);
        let here = at(&room, API_SERVER, Stage::Arriving);
        let flood: Vec<Place> = (0..1000).map(|_| at(&room, FLOOD, Stage::Idle)).collect();
        assert!(!has_left(&here));
        assert_eq!(flood.iter().filter(|place| !has_left(place)).count(), 63);
        assert_eq!(room.guests().present.len(), 64);
        drop(flood);
        assert_eq!(room.guests().present.len(), 1, "places are given back");
        assert_eq!(room.metrics.connections.get(), 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let ends =
            ["2001:db8::1", "2001:db8::2:3", "::ffff:10.0.0.1"].map(|text| group(text.parse().unwrap()));
        assert_eq!(ends[0], ends[1]);
        assert_eq!(ends[2], IpAddr::from(API_SERVER));
    }
}
