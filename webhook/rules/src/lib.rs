//! The law of admission: a [`Subject`] is judged by one [table](RULES) of rules, and absent fields that depend on the
//! installation are filled in by [`defaults`]. Nothing here reads the world, so the webhook, `webhook check` and the
//! operator's second look give the same verdict.

pub mod address;
mod backup;
mod change;
mod connection;
mod defaults;
mod endpoint;
pub mod google;
mod login;
mod look;
mod names;
mod part;
mod path;
mod request;
mod schema;
mod store;
mod subject;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

pub use defaults::{Addition, Installation, defaults, stored};
pub use store::is_region;
pub use subject::{Kind, Subject};
pub use table::{RULES, Rule, Weight, judge};
pub use verdict::{Finding, Reason, Verdict};
