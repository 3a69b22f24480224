//! Backups by the installed operator, of a real OpenBao into a real store, in a real cluster.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod deaths;
mod failing;
mod lock;
mod logins;
mod made;
mod marker;
mod others;
mod site;
mod skips;
mod support;
mod views;
