//! Conditions of whatever object: set by type, with a time that tells since when it is so.

use api::conditions::{Condition, ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Sets a condition of an object of this generation; its time changes only with its status.
pub(crate) fn set(
    conditions: &mut Vec<Condition>,
    (kind, truth): (ConditionType, Truth),
    (reason, message): (Reason, &str),
    generation: Option<i64>,
    now: Timestamp,
) {
    let old = conditions.iter().position(|condition| condition.type_ == kind.as_str());
    let since = old
        .map(|at| &conditions[at])
        .filter(|condition| condition.status == truth.as_str())
        .map_or(Time(now), |condition| condition.last_transition_time.clone());
    let condition = Condition {
        type_: kind.as_str().to_owned(),
        status: truth.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time: since,
    };
    match old {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}
