//! `webhook serve`, the real program, before clients that mean no good and an API server that must not notice.
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]

mod answers;
mod drain;
mod flood;
mod limits;
mod memory;
mod server;
