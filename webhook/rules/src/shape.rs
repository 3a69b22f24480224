//! What has to be there, and what has to be left out.

use crate::subject::{Kind, Subject};
use crate::text::is_blank;
use crate::verdict::{CauseReason, Finding, refuse};
use serde_json::Value;

/// What a restore cannot do without, and the fix where it is missing.
const REQUIRED: [(&str, &str, &str); 3] = [
    ("spec.cluster", "/spec/cluster", "is required: name the OpenBaoCluster of this namespace to overwrite"),
    ("spec.source.key", "/spec/source/key", "is required: give the full object key of the snapshot"),
    ("spec.source.target", "/spec/source/target", "is required: say in which object store the snapshot is"),
];

/// Fields whose emptiness another rule judges, or (pathPrefix) that mean the same empty and absent.
const JUDGED_ELSEWHERE: [&str; 6] = ["cluster", "key", "name", "bucket", "container", "pathPrefix"];

/// Required fields are there, and every part has the shape of the API. The API server has seen to the latter; a file
/// has not been seen by it.
pub(crate) fn judge(subject: &Subject<'_>) -> Vec<Finding> {
    let required: &[_] = if subject.kind == Kind::Restore { &REQUIRED } else { &[] };
    let absent = |pointer| match subject.new.pointer(pointer) {
        None | Some(Value::Null) => true,
        Some(value) => value.as_str().is_some_and(is_blank),
    };
    let missing: Vec<Finding> = required
        .iter()
        .filter(|(_, pointer, _)| absent(pointer))
        .map(|(field, _, fix)| refuse(*field, CauseReason::Required, *fix))
        .collect();
    if !missing.is_empty() {
        return missing;
    }
    let unreadable = |(field, why): &(&str, String)| {
        let message = format!("does not have the shape of the API ({why}): correct it, see kubectl explain");
        refuse(*field, CauseReason::Invalid, message)
    };
    subject.unreadable.iter().map(unreadable).collect()
}

/// An empty string where a default would be filled in: tools that apply from Git would show it as drift for ever.
pub(crate) fn empty_strings(subject: &Subject<'_>) -> Vec<Finding> {
    let mut empty = Vec::new();
    for (path, part) in subject.parts() {
        collect(path, part, &mut empty);
    }
    let message = "is an empty string: leave the field out, or give it a value";
    empty.into_iter().map(|field| refuse(field, CauseReason::Invalid, message)).collect()
}

fn collect(path: &str, value: &Value, empty: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        if value.as_str().is_some_and(is_blank) && !JUDGED_ELSEWHERE.contains(&name.as_str()) {
            empty.push(path);
        } else {
            collect(&path, value, empty);
        }
    }
}
