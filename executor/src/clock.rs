//! Clocks: those of servers, by their answers, and this pod's own two.

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, HeaderMap};
use std::time::{Duration, Instant, SystemTime};

/// The time of the server that answered, in whole seconds.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(rfc2822::parse(date).ok()?.timestamp())
}

/// A moment of this pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// Time since then, not more than it was: the steady clock stands still while the machine sleeps.
    pub(crate) fn at_least(&self) -> Duration {
        self.steady.elapsed()
    }

    /// Time since then, not less than it was unless the wall clock was set back while the machine slept.
    pub(crate) fn at_most(&self) -> Duration {
        self.at_least().max(self.wall.elapsed().unwrap_or_default())
    }
}

/// What the API server's clock said, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerClock {
    pub(crate) said: Timestamp,
    pub(crate) since: Moment,
}

impl ServerClock {
    /// What it says now.
    pub(crate) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.at_least()).unwrap_or(SignedDuration::ZERO);
        self.said.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// The latest that it may say now: it says whole seconds, and this machine may have slept.
    pub(crate) fn at_latest(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.at_most()).unwrap_or(SignedDuration::MAX);
        let passed = passed.saturating_add(SignedDuration::from_secs(1));
        self.said.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
impl Moment {
    /// This long ago by one of the clocks.
    pub(crate) fn ago(steady: Duration, wall: Duration) -> Self {
        Self { steady: Instant::now().checked_sub(steady).unwrap(), wall: SystemTime::now() - wall }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let read = |text| date(&HeaderMap::from_iter([(DATE, HeaderValue::from_static(text))]));
        assert_eq!(read("Wed, 25 Nov 2026 22:18:06 GMT"), Some("2026-11-25T22:18:06Z".parse().unwrap()));
        assert_eq!(read("yesterday"), None);
        assert_eq!(date(&HeaderMap::new()), None);
    }

    /// Bug: a machine that slept, or whose clock was set, takes a late moment for an early one.
    #[test]
    fn the_clock_that_ran_further_counts_at_most() {
        let (short, long) = (Duration::ZERO, Duration::from_secs(100));
        for (moment, at_least) in [(Moment::ago(short, long), short), (Moment::ago(long, short), long)] {
            assert!(moment.at_most() >= long);
            assert!(moment.at_least() >= at_least && moment.at_least() < at_least + Duration::from_secs(50));
        }
        let ahead = Moment { steady: Instant::now(), wall: SystemTime::now() + long };
        assert!(ahead.at_most() < long);
    }
}
