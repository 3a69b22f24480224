//! `webhook check`, the real program, and the rules behind it: both without a cluster.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod cases;
mod inputs;
mod outputs;
mod support;
