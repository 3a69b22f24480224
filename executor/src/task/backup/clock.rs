//! The API server's clock, by which backups are named and grow old.

use crate::clock::Moment;
use jiff::{SignedDuration, Timestamp};

/// What the API server's clock said, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerClock {
    said: Timestamp,
    since: Moment,
}

impl ServerClock {
    pub(super) const fn new(said: Timestamp, since: Moment) -> Self {
        Self { said, since }
    }

    pub(super) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.at_least()).unwrap_or(SignedDuration::ZERO);
        self.said.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}
