//! The law of admission: a [`Subject`] is judged by one [table](RULES) of rules, and absent fields that depend on the
//! installation are filled in by [`defaults`]. Nothing here reads the world, so the webhook, `webhook check` and the
//! operator's second look give the same verdict.

mod defaults;
mod identity;
mod immutability;
mod references;
mod request;
mod shape;
mod subject;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

pub use defaults::{Addition, Installation, defaults, filled};
pub use subject::{Kind, Subject};
pub use table::{RULES, Rule, Stage, judge};
pub use verdict::{CauseReason, Verdict, Violation};
