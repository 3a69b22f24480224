//! What judging comes to: violations, each with its field and its fix, and warnings.

use crate::text;

/// Why a field was refused, in the words of `details.causes[].reason` of a Kubernetes `Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CauseReason {
    /// The field has to be set.
    Required,
    /// The value is malformed or out of range.
    Invalid,
    /// The value is none of those supported.
    NotSupported,
    /// The value is well-formed and not allowed.
    Forbidden,
}

impl CauseReason {
    /// The word on the wire (`CauseType` of apimachinery).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that found it.
    pub rule: &'static str,
    /// Path of the field, such as `spec.source.key`.
    pub field: String,
    /// Kind of error.
    pub reason: CauseReason,
    /// What is wrong and the fix, without the path.
    pub message: String,
}

/// Everything that is wrong with an object, and everything that is risky.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Reasons to refuse; without any, the object is admitted.
    pub violations: Vec<Violation>,
    /// Shown to the user of an admitted or refused object; ASCII, at most 120 characters each.
    pub warnings: Vec<String>,
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
        let same_fix = |a: &Violation, b: &Violation| a.message == b.message;
        let told = self.violations.chunk_by(same_fix).map(|group| {
            let fields: Vec<&str> = group.iter().map(|violation| violation.field.as_str()).collect();
            let fix = group.first().map_or("", |violation| violation.message.as_str());
            format!("{}: {fix}", fields.join(", "))
        });
        told.collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn add(&mut self, rule: &'static str, finding: Finding) {
        match finding {
            Finding::Refused { field, reason, message } => self.violations.push(Violation {
                rule,
                field: text::harmless(field),
                reason,
                message: text::harmless(message),
            }),
            Finding::Warned(warning) => self.warnings.push(warning.to_owned()),
        }
    }
}

/// What one rule found.
#[derive(Clone, Debug)]
pub(crate) enum Finding {
    Refused { field: String, reason: CauseReason, message: String },
    Warned(&'static str),
}

/// A reason to refuse.
pub(crate) fn refuse(field: impl Into<String>, reason: CauseReason, message: impl Into<String>) -> Finding {
    Finding::Refused { field: field.into(), reason, message: message.into() }
}
