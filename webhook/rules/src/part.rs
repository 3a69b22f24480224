//! A part of an object as raw JSON: what has to be there, what must not, and of which type.

use crate::path::Path;
use crate::schema;
use crate::text::{is_blank, shown};
use crate::verdict::{Found, Reason, found};
use serde_json::Value;

/// A part that is judged.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Where it stands in the object.
    pub(crate) path: &'static str,
    pub(crate) value: &'a Value,
    /// What the API says of it.
    pub(crate) schema: &'static Value,
    /// Why it does not parse.
    pub(crate) unreadable: Option<String>,
}

/// Fields that another rule judges when they are empty, or (pathPrefix) that mean the same empty and absent.
const JUDGED_ELSEWHERE: [&str; 6] = ["cluster", "key", "name", "bucket", "container", "pathPrefix"];

/// Fields that the API does not know. The API server would drop them without a word where it is not asked to be strict.
pub(crate) fn unknown(part: &Part<'_>) -> Vec<Found> {
    let message =
        "is no field of the API: correct its name, or leave it out; kubectl explain shows what there is";
    let unknown = schema::unknown(part.schema, part.value);
    unknown.into_iter().map(|field| found(field, Reason::Invalid, message)).collect()
}

/// Types, and required fields. The API server has seen to both, unless its schema is of another release than ours; a
/// file has not been seen by it.
pub(crate) fn shape(part: &Part<'_>) -> Vec<Found> {
    let mistakes = schema::mistakes(part.schema, part.value);
    if !mistakes.is_empty() {
        return mistakes.into_iter().map(mistake).collect();
    }
    let odd = |why: &String| {
        let why = shown(why, 120);
        let message = format!("does not have the shape of the API ({why}): correct it, see kubectl explain");
        found("", Reason::Invalid, message)
    };
    part.unreadable.iter().map(odd).collect()
}

fn mistake((field, mistake): (String, schema::Mistake)) -> Found {
    match mistake {
        schema::Mistake::Missing => {
            found(field, Reason::Required, "is required: give it, kubectl explain says what it is")
        }
        schema::Mistake::Type { expected, given } => {
            found(field, Reason::Invalid, format!("is a {given} and has to be a {expected}: write it as one"))
        }
    }
}

/// An empty string where the field can be left out. Where a default would be filled in, tools that apply from Git would
/// show it as drift for ever.
pub(crate) fn empty_strings(part: &Part<'_>) -> Vec<Found> {
    let mut empty = Vec::new();
    collect(Path::Part, part.value, &mut empty);
    let message = "is an empty string: leave the field out, or give it a value";
    empty.into_iter().map(|field| found(field, Reason::Invalid, message)).collect()
}

fn collect(path: Path<'_>, value: &Value, empty: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        let path = Path::Field(&path, name);
        if value.as_str().is_some_and(is_blank) && !JUDGED_ELSEWHERE.contains(&name.as_str()) {
            empty.push(path.to_string());
        } else {
            collect(path, value, empty);
        }
    }
}
