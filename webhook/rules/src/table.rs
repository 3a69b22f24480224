//! The table of rules, and the judge that goes through it.

use crate::subject::{Kind, Subject};
use crate::verdict::{Finding, Verdict};
use crate::{identity, immutability, references, request, shape, target};

/// When a rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What a new request or a new part of a cluster says.
    Content,
    /// That a request which exists stays as it is.
    Change,
}

/// One law.
#[derive(Debug)]
pub struct Rule {
    /// Stable name, for metrics and logs.
    pub id: &'static str,
    /// When it is asked.
    pub stage: Stage,
    judge: fn(&Subject<'_>) -> Vec<Finding>,
}

/// Every law there is, in the order in which violations are told.
pub const RULES: &[Rule] = &[
    Rule { id: "immutability", stage: Stage::Change, judge: immutability::judge },
    Rule { id: "shape", stage: Stage::Content, judge: shape::judge },
    Rule { id: "empty-strings", stage: Stage::Content, judge: shape::empty_strings },
    Rule { id: "references", stage: Stage::Content, judge: references::judge },
    Rule { id: "authentication", stage: Stage::Content, judge: identity::authentication },
    Rule { id: "images", stage: Stage::Content, judge: identity::images },
    Rule { id: "break-glass", stage: Stage::Content, judge: request::break_glass },
    Rule { id: "key", stage: Stage::Content, judge: request::key },
    Rule { id: "digest", stage: Stage::Content, judge: request::digest },
    Rule { id: "deadline", stage: Stage::Content, judge: request::deadline },
    Rule { id: "place", stage: Stage::Content, judge: target::place },
    Rule { id: "limits", stage: Stage::Content, judge: target::limits },
    Rule { id: "store-certificate", stage: Stage::Content, judge: target::certificate },
];

/// Judges by every rule of the subject's stage. Objects that are being deleted and requests whose spec stays as it is
/// always pass: an old object must never get stuck on a new rule.
#[must_use]
pub fn judge(subject: &Subject<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(stage) = stage(subject) else { return verdict };
    for rule in RULES.iter().filter(|rule| rule.stage == stage) {
        for finding in (rule.judge)(subject) {
            verdict.add(rule.id, finding);
        }
    }
    verdict
}

/// A changed request is judged for nothing but the change, which is what is wrong with it.
fn stage(subject: &Subject<'_>) -> Option<Stage> {
    if subject.is_being_deleted() {
        return None;
    }
    match (subject.kind, subject.old) {
        (Kind::Restore, Some(old)) => (old.get("spec") != subject.new.get("spec")).then_some(Stage::Change),
        _ => Some(Stage::Content),
    }
}
