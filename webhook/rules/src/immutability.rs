//! A request never changes once it is created.

use crate::subject::Subject;
use crate::verdict::{CauseReason, Finding, refuse};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Every field of `spec` that differs from the stored one, as raw JSON: what was sent counts, not what it means.
pub(crate) fn judge(subject: &Subject<'_>) -> Vec<Finding> {
    let mut fields = Vec::new();
    let old = subject.old.and_then(|old| old.get("spec"));
    differences("spec", old, subject.new.get("spec"), &mut fields);
    let message = "changed, but a request never changes: put the old value back, or create a new OpenBaoRestore with \
                   another name";
    fields.into_iter().map(|field| refuse(field, CauseReason::Forbidden, message)).collect()
}

fn differences(path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<String>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for name in names(old, new) {
                differences(&format!("{path}.{name}"), old.get(name), new.get(name), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

fn names<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> BTreeSet<&'a String> {
    old.keys().chain(new.keys()).collect()
}
