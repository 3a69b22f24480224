//! What judging comes to: violations and warnings, each with its rule, its field and its fix.

use crate::table::{Rule, Weight};
use crate::text;
use std::fmt;

/// Why a field was found, in the words of `details.causes[].reason` of a Kubernetes `Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The field has to be set.
    Required,
    /// The value is malformed or out of range.
    Invalid,
    /// The value is none of those supported.
    NotSupported,
    /// The value is well-formed and not allowed.
    Forbidden,
    /// Legal, and rarely meant: only ever a warning.
    Risky,
}

impl Reason {
    /// The word on the wire (`CauseType` of apimachinery, and one of ours).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::Risky => "FieldValueRisky",
        }
    }
}

/// One thing that is wrong, or risky. Shown as `field: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static str,
    /// Path of the field, such as `spec.source.key`.
    pub field: String,
    /// Kind of error.
    pub reason: Reason,
    /// What is wrong and the fix, without the path.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message)
    }
}

/// Everything that is wrong with an object, and everything that is risky.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Reasons to refuse; without any, the object is admitted.
    pub violations: Vec<Finding>,
    /// Shown to the user of an admitted or refused object.
    pub warnings: Vec<Finding>,
}

impl Verdict {
    /// Whether the object is refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        !self.violations.is_empty()
    }

    /// The whole story in one text, for clients that show `message` only. Neighbours with the same fix share it.
    #[must_use]
    pub fn message(&self) -> String {
        let same_fix = |a: &Finding, b: &Finding| a.message == b.message;
        let told = self.violations.chunk_by(same_fix).map(|group| {
            let fields: Vec<&str> = group.iter().map(|violation| violation.field.as_str()).collect();
            let fix = group.first().map_or("", |violation| violation.message.as_str());
            format!("{}: {fix}", fields.join(", "))
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// Keeps what `rule` found in the part at `path`.
    pub(crate) fn add(&mut self, rule: &Rule, path: &str, found: Found) {
        let field = match (path, found.field.as_str()) {
            (path, "") => path.to_owned(),
            ("", field) => field.to_owned(),
            (path, field) => format!("{path}.{field}"),
        };
        let finding = Finding {
            rule: rule.id,
            field: text::harmless(field),
            reason: found.reason,
            message: text::harmless(found.message),
        };
        match rule.weight {
            Weight::Refuses => self.violations.push(finding),
            Weight::Warns => self.warnings.push(finding),
        }
    }
}

/// What one rule found in the part that it looked at.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Below the part; empty: the part itself.
    field: String,
    reason: Reason,
    message: String,
}

/// Something found at a field below the part looked at.
pub(crate) fn found(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Found {
    Found { field: field.into(), reason, message: message.into() }
}

/// One finding where `is_so`, else none. The message is made only then.
pub(crate) fn found_if(is_so: bool, field: &str, reason: Reason, message: impl fmt::Display) -> Vec<Found> {
    if is_so { vec![found(field, reason, message.to_string())] } else { Vec::new() }
}
