//! Restores through the whole product: chart, operator, executor, a real OpenBao and a real store.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod applied;
mod refused;
mod support;
mod waits;
