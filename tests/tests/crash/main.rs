//! The operator is a process of the test, so that it can die at each of its writes, and have a clock of its own; the
//! executor dies likewise. The restore ends, and is posted once at most.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod away;
mod boundaries;
mod clocks;
mod deaths;
mod openbao;
mod support;
