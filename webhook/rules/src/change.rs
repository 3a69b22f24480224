//! A request never changes once it is created.

use crate::verdict::{Found, Reason, found};
use serde_json::{Map, Number, Value};
use std::collections::BTreeSet;

/// Every field of `spec` that differs from the stored one, as raw JSON: what was sent counts, not what it means.
pub(crate) fn judge(old: &Value, new: &Value) -> Vec<Found> {
    let mut fields = Vec::new();
    differences("", Some(old), Some(new), &mut fields);
    let message = "changed, but a request never changes: put the old value back, or create a new OpenBaoRestore with \
                   another name";
    fields.into_iter().map(|field| found(field, Reason::Forbidden, message)).collect()
}

fn differences(path: &str, old: Option<&Value>, new: Option<&Value>, changed: &mut Vec<String>) {
    match (old, new) {
        (old, new) if same(old, new) => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for name in names(old, new) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                differences(&path, old.get(name), new.get(name), changed);
            }
        }
        _ => changed.push(path.to_owned()),
    }
}

/// Whether two values are the same to the API server, however they were written: an absent field is the same as null,
/// which it prunes, and 10 the same as 10.0, which it stores as 10.
pub(crate) fn same(old: Option<&Value>, new: Option<&Value>) -> bool {
    match (old, new) {
        (None | Some(Value::Null), None | Some(Value::Null)) => true,
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            names(old, new).into_iter().all(|name| same(old.get(name), new.get(name)))
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(Some(old), Some(new)))
        }
        (Some(Value::Number(old)), Some(Value::Number(new))) => old == new || equal(old, new),
        (old, new) => old == new,
    }
}

/// Numbers of which one is written with a point or an exponent. Two whole ones are equal as they are or not at all:
/// the large ones differ by less than a float can tell.
fn equal(old: &Number, new: &Number) -> bool {
    (old.is_f64() || new.is_f64()) && old.as_f64() == new.as_f64()
}

fn names<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> BTreeSet<&'a String> {
    old.keys().chain(new.keys()).collect()
}
