//! Admission through a real API server, with operator and webhook installed by the chart under their own rights.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be read or made fails the test")]

mod attacks;
mod belt;
mod cases;
mod clusters;
mod deletion;
mod documents;
mod forced;
mod outage;
mod people;
mod policies;
mod reapply;
mod refusals;
mod release;
mod requests;
mod rights;
mod roles;
mod schedules;
mod settlement;
mod support;
mod unguarded;
mod yaml;
