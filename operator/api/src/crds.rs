//! Both `CustomResourceDefinitions`, generated from the types.
//!
//! The schema says type, required and default, and nothing else: an enum, a range or `nullable` would let the API
//! server answer before the webhook does, hide the webhook's other findings, and answer an UPDATE with the 422 that
//! GitOps tools take as leave to delete and re-create.

use crate::{OpenBaoCluster, OpenBaoRestore};
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// Keywords that kube or schemars derive from Rust types and that would refuse input.
const REFUSING: [&str; 7] =
    ["enum", "nullable", "minimum", "maximum", "minLength", "maxLength", "x-kubernetes-validations"];

/// The definition of each custom resource, with its file name under `deploy/crds`.
///
/// # Errors
/// When a definition cannot be turned into JSON.
pub fn all() -> Result<Vec<(&'static str, Value)>, serde_json::Error> {
    Ok(vec![
        ("openbaorestores.yaml", restore_definition()?),
        ("openbaoclusters.yaml", definition(&serde_json::to_value(OpenBaoCluster::crd())?)),
    ])
}

/// Until the operator has seen a request, kstatus must not take it for done: hence the default of its status.
fn restore_definition() -> Result<Value, serde_json::Error> {
    let mut crd = definition(&serde_json::to_value(OpenBaoRestore::crd())?);
    if let Some(status) = crd
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status")
        .and_then(Value::as_object_mut)
    {
        status.insert("default".to_owned(), json!({"observedGeneration": -1, "phase": "Pending"}));
    }
    Ok(crd)
}

/// The schema of a custom resource, as its definition has it.
#[must_use]
pub fn schema<K: CustomResourceExt>() -> Value {
    let crd = serde_json::to_value(K::crd()).map(|crd| definition(&crd)).unwrap_or_default();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default()
}

fn definition(crd: &Value) -> Value {
    let mut crd = crd.clone();
    if let Some(schema) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        soften(schema);
    }
    crd
}

/// Removes what refuses from a schema, all the way down. Properties are named by users of the schema, so a field that
/// is called like a keyword stays.
fn soften(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    for keyword in REFUSING {
        object.remove(keyword);
    }
    // `format` of numbers would refuse by range; the one of times is what makes them times.
    if object.get("type") != Some(&Value::from("string")) {
        object.remove("format");
    }
    for child in ["items", "additionalProperties"] {
        if let Some(schema) = object.get_mut(child) {
            soften(schema);
        }
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(soften);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    /// Every path of a schema that carries one of the refusing keywords.
    fn refusing_keywords(schema: &Map<String, Value>, path: &str) -> Vec<String> {
        let mut found: Vec<String> = REFUSING
            .iter()
            .filter(|word| schema.contains_key(**word))
            .map(|word| format!("{path}: {word}"))
            .collect();
        for (name, child) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(child) = child.as_object() {
                found.extend(refusing_keywords(child, &format!("{path}.{name}")));
            }
        }
        if let Some(items) = schema.get("items").and_then(Value::as_object) {
            found.extend(refusing_keywords(items, &format!("{path}[]")));
        }
        found
    }

    fn schema(crd: &Value) -> &Map<String, Value> {
        crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().as_object().unwrap()
    }

    #[test]
    fn no_schema_refuses_what_the_webhook_should_judge() {
        for (file, crd) in all().unwrap() {
            assert_eq!(refusing_keywords(schema(&crd), file), Vec::<String>::new());
        }
    }

    #[test]
    fn constant_defaults_are_in_the_schema() {
        let all = all().unwrap();
        let restore = Value::Object(schema(&all[0].1).clone());
        let at = |path: &str| restore.pointer(&format!("/properties/{path}/default")).cloned();
        assert_eq!(at("status"), Some(json!({"observedGeneration": -1, "phase": "Pending"})));
        assert_eq!(at("spec/properties/jwtAuthMount"), Some(json!("jwt")));
        assert_eq!(at("spec/properties/startingDeadlineSeconds"), Some(json!(3600)));
        assert_eq!(at("spec/properties/force"), Some(json!(false)));
        let target = "spec/properties/source/properties/target/properties";
        assert_eq!(at(&format!("{target}/provider")), Some(json!("s3")));
        assert_eq!(at(&format!("{target}/partSize")), Some(json!(10_485_760)));
        assert_eq!(at("spec/properties/audience"), None, "only the mutating webhook knows it");
    }
}
