//! Admission through a real API server, with operator and webhook installed by the chart under their own rights.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be read or made fails the test")]

mod belt;
mod cases;
mod documents;
mod forced;
mod outage;
mod policies;
mod reapply;
mod refusals;
mod rights;
mod schedules;
mod support;
mod unguarded;
mod yaml;
