//! Why a ticket cannot be used.

use crate::report::Fault;
use api::conditions::Reason;
use api::task::Outcome;
use jiff::Timestamp;
use std::time::Duration;
use thiserror::Error;

/// Begins the holder of a ticket that the operator claimed.
const OPERATOR: &str = "operator/";

/// Why a ticket cannot be used. This pod did nothing more after it.
#[derive(Debug, Error)]
pub(crate) enum TicketError {
    #[error("The ticket of this pod is gone, or another one bears its name. This pod did nothing more.")]
    Gone,
    #[error("The ticket of this pod was claimed by {0:?} before. This pod did nothing more.")]
    ClaimedBy(String),
    #[error("Another pod has left its Report on the ticket before. This pod did nothing more.")]
    Reported(String),
    #[error("This pod came too late: nothing may begin after {not_after}. Begin a new one.")]
    Expired { not_after: Timestamp },
    #[error(
        "The API server refuses this pod its ticket: {0}. See that Role and RoleBinding of the ticket's name are there, then begin a new one."
    )]
    Denied(String),
    #[error(
        "The API server gave no clear answer to the claim of the ticket within {} s. The end of the snapshot was not sent, so nothing was applied. See that pods of this namespace may reach it, then begin a new one.",
        .0.as_secs()
    )]
    Unclear(Duration),
    #[error(
        "The API server could not be asked for the ticket: {0}. See that pods of this namespace may reach it, then begin a new one."
    )]
    Unreachable(String),
}

impl TicketError {
    /// How a pod ends that meets this before it acted.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::ClaimedBy(holder) if !holder.starts_with(OPERATOR) => Outcome::Unknown,
            Self::Gone | Self::ClaimedBy(_) | Self::Reported(_) | Self::Expired { .. } => Outcome::Refused,
            Self::Denied(_) | Self::Unreachable(_) | Self::Unclear(_) => Outcome::Failed,
        }
    }
}

impl Fault for TicketError {
    fn reason(&self) -> Reason {
        match self {
            Self::Expired { .. } => Reason::DeadlineExceeded,
            _ => Reason::TicketLost,
        }
    }

    fn field(&self) -> Option<String> {
        None
    }

    fn is_passing(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Unreachable(_))
    }
}
