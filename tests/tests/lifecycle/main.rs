//! Restores against the real API server, with stubs in the executor's place: who gets the lock, what repeats, what is
//! deleted or made twice on the way, and what is left.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod coexistence;
mod deletion;
mod human;
mod races;
mod replay;
mod second_pods;
mod support;
