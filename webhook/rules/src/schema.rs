//! What an API server does with an object before admission is asked, for objects that no API server has seen: nulls are
//! pruned, constant defaults filled in, types and required fields held to the CRD.

use crate::path::Path;
use crate::subject::Kind;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// It is required.
    Missing,
    /// It has another type.
    Type { expected: &'static str, given: &'static str },
}

static RESTORE: LazyLock<Value> = LazyLock::new(api::crds::schema::<api::OpenBaoRestore>);
static CLUSTER: LazyLock<Value> = LazyLock::new(api::crds::schema::<api::OpenBaoCluster>);

fn of(kind: Kind) -> &'static Value {
    match kind {
        Kind::Restore => &RESTORE,
        Kind::Cluster => &CLUSTER,
    }
}

/// The schema of a path of dots; null where there is none.
pub(crate) fn at(kind: Kind, path: &str) -> &'static Value {
    path.split('.').fold(of(kind), |schema, name| &schema["properties"][name])
}

/// The object as the API server hands it to admission: nulls pruned, constant defaults filled in, whole numbers written
/// without a point.
pub(crate) fn prepared(kind: Kind, object: &Value) -> Value {
    let mut object = object.clone();
    prepare(of(kind), &mut object);
    object
}

fn prepare(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let properties = properties(schema);
            fields.retain(|name, value| {
                !(value.is_null() && properties.is_some_and(|known| known.contains_key(name)))
            });
            for (name, schema) in properties.into_iter().flatten() {
                if let Some(default) = schema.get("default") {
                    fields.entry(name).or_insert_with(|| default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                prepare(child(schema, name).unwrap_or(&Value::Null), value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prepare(&schema["items"], item)),
        Value::Number(number) => {
            if let Some(whole) = number.as_f64().filter(|_| number.is_f64()).and_then(whole) {
                *value = json!(whole);
            }
        }
        _ => {}
    }
}

/// The whole number that a float is; those above 2^53 are not told apart from their neighbours and stay floats.
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = float.fract() == 0.0 && float.abs() <= EXACT;
    is_whole.then(|| format!("{float:.0}").parse().ok()).flatten()
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

/// The schema of a field; none for one that the schema does not know.
fn child<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    properties(schema).and_then(|known| known.get(name)).or_else(|| schema.get("additionalProperties"))
}

/// Every field that the schema does not know and would not preserve.
pub(crate) fn unknown(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(schema, value, Path::Part, &mut |schema, value, path| {
        let preserves = schema.get("x-kubernetes-preserve-unknown-fields").is_some_and(|it| it == true);
        if preserves || !schema.is_object() {
            return;
        }
        for name in value.as_object().into_iter().flat_map(Map::keys) {
            if child(schema, name).is_none() {
                found.push(Path::Field(&path, name).to_string());
            }
        }
    });
    found
}

/// Every field of another type than the schema's, and every required one that is missing.
pub(crate) fn mistakes(schema: &Value, value: &Value) -> Vec<(String, Mistake)> {
    let mut found = Vec::new();
    walk(schema, value, Path::Part, &mut |schema, value, path| {
        let expected = schema.get("type").and_then(Value::as_str).and_then(type_named);
        let given = type_of(value);
        if let Some(expected) = expected.filter(|expected| *expected != given) {
            found.push((path.to_string(), Mistake::Type { expected, given }));
            return;
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none_or(Value::is_null) {
                found.push((Path::Field(&path, name).to_string(), Mistake::Missing));
            }
        }
    });
    found
}

/// Visits a value and all below it, each with its schema and path. A field that is null counts as absent.
fn walk<'v>(
    schema: &Value,
    value: &'v Value,
    path: Path<'_>,
    visit: &mut impl FnMut(&Value, &'v Value, Path<'_>),
) {
    visit(schema, value, path);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                if let Some(schema) = child(schema, name) {
                    walk(schema, value, Path::Field(&path, name), visit);
                }
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                walk(&schema["items"], item, Path::Item(&path, n), visit);
            }
        }
        _ => {}
    }
}

const TYPES: [&str; 6] = ["object", "array", "string", "boolean", "integer", "number"];

fn type_named(name: &str) -> Option<&'static str> {
    TYPES.into_iter().find(|known| *known == name)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
