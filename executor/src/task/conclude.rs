//! The Report of a restore that was claimed.

use super::steps;
use crate::post::Sent;
use crate::prove::Proof;
use crate::report::{Fault, Findings};
use api::conditions::{ConditionType, Reason};
use api::task::{Outcome, Report};
use plan::proof::Verdict;
use thiserror::Error;

/// What was done, and what the cluster says about it.
pub(super) struct Done<'a> {
    pub(super) sent: Sent,
    pub(super) proof: Proof,
    pub(super) addresses: &'a [String],
    /// Where the snapshot was sent.
    pub(super) leader: &'a str,
}

/// Why a claimed restore is not done.
#[derive(Debug, Error)]
enum Undone {
    #[error("Nothing was sent: {0}. The cluster's data are as they were. Create a new request.")]
    NothingSent(String),
    #[error(
        "The snapshot was not applied: {0}. The leader has proved that the cluster's data are as they were."
    )]
    NotApplied(String),
    #[error("Whether the snapshot was applied is not known: {0}, and no leader gave proof within 10 min.")]
    Unknown(String),
}

impl Fault for Undone {
    fn reason(&self) -> Reason {
        match self {
            Self::NothingSent(_) | Self::NotApplied(_) => Reason::NotApplied,
            Self::Unknown(_) => Reason::OutcomeUnknown,
        }
    }

    fn field(&self) -> Option<String> {
        None
    }

    fn is_passing(&self) -> bool {
        true
    }
}

/// Not a byte of the snapshot left this pod.
pub(super) fn nothing_sent(mut findings: Findings, fault: &str) -> Report {
    findings.join(Findings::of(ConditionType::Applied, &Undone::NothingSent(fault.to_owned())));
    findings.ended(Outcome::Failed)
}

/// By the verdict of the proof, and by nothing else.
pub(super) fn conclude(mut findings: Findings, done: &Done<'_>) -> Report {
    let answer = match &done.sent {
        Sent::Acknowledged => "the leader acknowledged it".to_owned(),
        Sent::Refused(fault) => format!("the leader refused it ({fault})"),
        Sent::Nothing(fault) | Sent::Unclear(fault) => format!("the leader gave no clear answer ({fault})"),
    };
    match done.proof.verdict {
        Verdict::Applied => {
            let message =
                "The leader has lost the marker and is active anew: the snapshot is the cluster's data.";
            findings.stage(ConditionType::Applied, Some(true), Reason::Proved, message.to_owned());
            findings.next_steps.extend(steps::restart(done.addresses, done.leader));
            findings.ended(Outcome::Done)
        }
        Verdict::NotApplied => {
            findings.join(Findings::of(ConditionType::Applied, &Undone::NotApplied(answer)));
            findings.next_steps = steps::diverged(&done.proof.sealed);
            findings.ended(Outcome::Failed)
        }
        Verdict::Unknown => {
            let sealed = &done.proof.sealed;
            let unknown = Undone::Unknown(if sealed.is_empty() {
                answer
            } else {
                format!("{answer}, these servers are sealed: {}", sealed.join(", "))
            });
            findings.fault(&unknown);
            findings.stage(ConditionType::Applied, None, Reason::OutcomeUnknown, unknown.to_string());
            findings.next_steps.extend(steps::unknown(done.addresses));
            findings.ended(Outcome::Unknown)
        }
    }
}
