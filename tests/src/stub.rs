//! A stub in the executor's place: it keeps the protocol of the ticket, and asks its [`Conductor`] before each step.
//! It fetches and sends nothing: the step [`Step::Post`] stands for the one POST, and the conductor counts it.

mod conductor;
mod part;
mod ticket;

pub use conductor::Conductor;
pub use part::play;

use api::task::{Outcome, TaskKind};
use serde::{Deserialize, Serialize};

/// Image of its pods: the program `/executor`.
pub const IMAGE: &str = "local/stub-executor";

/// What a stub does next, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It has read its ticket. A restore beats then.
    Begin,
    /// It makes itself the holder of its ticket.
    Claim,
    /// It posts the snapshot. Only a restore does.
    Post,
    /// It leaves its Report.
    Report,
}

/// What its conductor tells it to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The step.
    Go,
    /// Its end, with a Report.
    End(Outcome),
    /// Its end, without a word.
    Die,
}

/// A stub that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// UID of its request.
    pub request: String,
    /// UID of its pod.
    pub pod: String,
    /// What it was made for.
    pub kind: TaskKind,
    /// What it would do.
    pub step: Step,
}
