//! Admission through a real API server, with operator and webhook installed by the chart under their own rights.

mod documents;
mod outage;
mod reapply;
mod refusals;
mod rights;
mod support;
