//! The table: every way in which a POST can break, by everything that the world can do meanwhile, by what is known of the
//! snapshot. And what may be told of each.

use api::conditions::Reason;
use std::fmt;
use std::time::Duration;
use tests::fault_proxy::{How, Times, Where};

/// One way of a POST to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) at: Where,
    pub(crate) how: How,
    pub(crate) times: Times,
}

/// What the world does between the break and its consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    Nothing,
    /// Somebody restores another snapshot by hand.
    OtherRestored,
    /// Somebody restores the same snapshot by hand.
    SameRestored,
    /// Somebody restores a snapshot by hand that was taken after the request's marker was made.
    MarkedRestored,
    /// The volumes are put back to before the request.
    VolumesBack,
    /// The servers are initialised anew.
    InitialisedAnew,
    /// The name of the servers leads to another OpenBao.
    TurnedElsewhere,
    /// A standby becomes leader.
    AnotherLeads,
    /// The leader stands still for a while.
    LeaderFrozen,
    /// The same, while the tail is in its socket.
    FrozenWithTail,
    /// The executor's pod is deleted.
    PodDeleted,
    ExecutorKilled,
    /// The executor stands still for a while.
    ExecutorFrozen,
    /// All operators are killed; others come.
    OperatorsKilled,
}

/// What is known of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A backup of ours: its manifest names its marker.
    Marked,
    /// Taken by hand.
    Bare,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) number: usize,
    pub(crate) breaks: Break,
    pub(crate) event: Event,
    pub(crate) kind: Kind,
}

/// What a request says when nothing more can be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum End {
    Completed,
    NotApplied,
    /// Running, `Applied=Unknown`, with the lock.
    Doubt,
}

const EVENTS: [Event; 13] = [
    Event::OtherRestored,
    Event::SameRestored,
    Event::MarkedRestored,
    Event::VolumesBack,
    Event::InitialisedAnew,
    Event::TurnedElsewhere,
    Event::AnotherLeads,
    Event::LeaderFrozen,
    Event::FrozenWithTail,
    Event::PodDeleted,
    Event::ExecutorKilled,
    Event::ExecutorFrozen,
    Event::OperatorsKilled,
];

/// Long enough to be noticed, and no reason to give up.
const STALL: How = How::Stall(Duration::from_secs(8));
/// What a proxy says before the tail, and what it says afterwards: then it is all one.
const EARLY: [u16; 9] = [307, 400, 403, 413, 429, 500, 502, 503, 504];
const LATE: [u16; 5] = [413, 429, 500, 502, 504];
/// Of those, what lets the whole POST begin anew.
const PASSING: [u16; 5] = [307, 429, 502, 503, 504];

impl Break {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        ways().flat_map(|(at, how)| Self::of(at, how)).collect()
    }

    /// Once, and each time where that makes a difference.
    fn of(at: Where, how: How) -> Vec<Self> {
        let again = at < Where::Tail && is_passing(how) && !matches!(how, How::Stall(_));
        let times = if again { &[Times::Once, Times::Always][..] } else { &[Times::Once] };
        times.iter().map(|times| Self { at, how, times: *times }).collect()
    }

    /// Whether nothing of the tail can come to the server.
    pub(crate) fn is_for_good(self) -> bool {
        self.at.is_before_the_tail() && (self.times == Times::Always || !is_passing(self.how))
    }

    /// What is told of it where the world does nothing.
    pub(crate) fn end(self, kind: Kind) -> End {
        match (self.at, self.how) {
            _ if self.is_for_good() => End::NotApplied,
            (_, How::Stall(_)) => End::Completed,
            (at, _) if at.is_before_the_tail() => End::Completed,
            (Where::Tail, _) => End::NotApplied,
            _ if kind == Kind::Marked => End::Completed,
            _ => End::Doubt,
        }
    }

    /// What is known of the snapshot: both where that decides, else one by turns.
    fn kinds(self, turn: usize) -> Vec<Kind> {
        let all = [Kind::Marked, Kind::Bare];
        let decides = self.end(Kind::Marked) != self.end(Kind::Bare);
        if decides { all.to_vec() } else { vec![all[turn % all.len()]] }
    }

    /// Whether it takes minutes until nothing can be on its way any more.
    pub(crate) fn is_slow(self) -> bool {
        self.at == Where::Tail && !matches!(self.how, How::Stall(_) | How::Refuses)
    }
}

/// Every point, and each way to break there.
fn ways() -> impl Iterator<Item = (Where, How)> {
    Where::ALL.into_iter().flat_map(|at| hows(at).into_iter().map(move |how| (at, how)))
}

fn hows(at: Where) -> Vec<How> {
    let mut hows = vec![STALL, How::Reset, How::Close];
    if (Where::Head..=Where::AfterTail).contains(&at) {
        hows.push(How::Part);
    }
    if [Where::Half, Where::Tail, Where::AfterTail].contains(&at) {
        hows.push(How::Refuses);
        let said: &[u16] = if at == Where::Half { &EARLY } else { &LATE };
        hows.extend(said.iter().copied().map(How::Says));
    }
    hows
}

fn is_passing(how: How) -> bool {
    match how {
        How::Says(status) => PASSING.contains(&status),
        How::Refuses => false,
        _ => true,
    }
}

impl Event {
    /// Whether the data become others by it, and with them what could say what they were.
    pub(crate) fn replaces_data(self) -> bool {
        matches!(
            self,
            Self::OtherRestored
                | Self::SameRestored
                | Self::MarkedRestored
                | Self::VolumesBack
                | Self::InitialisedAnew
                | Self::TurnedElsewhere
        )
    }

    /// Whether it can befall a POST that breaks there.
    fn befalls(self, at: Where) -> bool {
        self != Self::FrozenWithTail || at == Where::AfterTail
    }

    /// Whether the same servers and proxies will do for another row.
    pub(crate) fn leaves_them(self) -> bool {
        !self.replaces_data() && self != Self::FrozenWithTail
    }

    pub(crate) fn replicas(self) -> usize {
        if self == Self::AnotherLeads { 3 } else { 1 }
    }
}

impl Row {
    /// Every break, while the world does nothing. What is known of the snapshot decides only where a tail was sent.
    pub(crate) fn quiet() -> Vec<Self> {
        let rows = Break::all().into_iter().enumerate().flat_map(|(number, breaks)| {
            breaks.kinds(number).into_iter().map(move |kind| (breaks, Event::Nothing, kind))
        });
        numbered(rows)
    }

    /// Every way to break by every event. Once or each time comes by turns.
    pub(crate) fn eventful() -> Vec<Self> {
        let rows = ways().enumerate().flat_map(|(number, (at, how))| {
            let events = EVENTS.into_iter().enumerate().filter(move |(_, event)| event.befalls(at));
            events.flat_map(move |(turn, event)| {
                let (turn, breaks) = (number + turn, Break::of(at, how));
                let breaks = breaks[turn % breaks.len()];
                breaks.kinds(turn / 2).into_iter().map(move |kind| (breaks, event, kind))
            })
        });
        numbered(rows)
    }

    /// Whether its pod looks for proof for ten minutes: it read an acknowledgement, and finds the request's marker all the
    /// same, in the data that somebody brought or that another leader kept.
    pub(crate) fn takes_ten_minutes(&self) -> bool {
        let is_acknowledged = self.breaks.at >= Where::Tail && matches!(self.breaks.how, How::Stall(_));
        let finds_it = match self.event {
            Event::MarkedRestored => self.kind == Kind::Bare,
            event => event == Event::AnotherLeads,
        };
        is_acknowledged && finds_it
    }

    /// For the objects of Kubernetes.
    pub(crate) fn name(&self) -> String {
        let Break { at, how, times } = self.breaks;
        let how = match how {
            How::Stall(_) => "stall".to_owned(),
            How::Says(status) => format!("says-{status}"),
            other => format!("{other:?}"),
        };
        let table = if self.event == Event::Nothing { 'q' } else { 'e' };
        let text = format!("{at:?}-{how}-{times:?}-{:?}-{table}{}", self.kind, self.number);
        text.to_lowercase()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} while {:?}", self.name(), self.event)
    }
}

fn numbered(rows: impl Iterator<Item = (Break, Event, Kind)>) -> Vec<Row> {
    let row = |(number, (breaks, event, kind))| Row { number, breaks, event, kind };
    rows.enumerate().map(row).collect()
}

/// Reasons with which a request may end that was not applied.
pub(crate) const NOT_APPLIED_FOR: [Reason; 11] = [
    Reason::NotApplied,
    Reason::ReadTimeout,
    Reason::Superseded,
    Reason::ClusterChanged,
    Reason::NoLeader,
    Reason::LoginRefused,
    Reason::ServerUnreachable,
    Reason::ServerSealed,
    Reason::QuotaExceeded,
    Reason::JobFailed,
    Reason::Cancelled,
];

/// Bug: a point or a way to break is in no row.
#[test]
fn every_point_breaks_in_every_way() {
    let rows = Row::quiet();
    for at in Where::ALL {
        for how in [STALL, How::Reset, How::Close] {
            assert!(rows.iter().any(|row| (row.breaks.at, row.breaks.how) == (at, how)), "{at:?} {how:?}");
        }
    }
    let names: std::collections::BTreeSet<String> = rows.iter().map(Row::name).collect();
    assert_eq!(names.len(), rows.len());
    assert!(names.iter().all(|name| name.len() < 50), "{names:?}");
    println!("{} quiet rows, {} eventful ones", rows.len(), Row::eventful().len());
}
