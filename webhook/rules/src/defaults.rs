//! What is filled in where a restore leaves it out: only what depends on the installation. Constants are in the schema.

use crate::schema::prepared;
use crate::subject::Kind;
use serde_json::Value;

/// What an installation fills in on creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Audience of tokens that are shown to OpenBao.
    pub audience: String,
    /// Image of the executor.
    pub executor_image: String,
    /// Role for requests without any authentication, if there is to be one.
    pub restore_jwt_auth_role: Option<String>,
}

/// A field to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Field of `spec`.
    pub field: &'static str,
    /// Its value.
    pub value: Value,
}

/// What to fill in: on creation from the installation; on an update from the old object, so that a manifest that left
/// the fields out stays equal to what is stored, whatever the installation says today. An empty string is not filled:
/// it is refused.
#[must_use]
pub fn defaults(kind: Kind, new: &Value, old: Option<&Value>, installation: &Installation) -> Vec<Addition> {
    let Some(spec) = new.get("spec").filter(|spec| kind == Kind::Restore && spec.is_object()) else {
        return Vec::new();
    };
    let given = |field: &str| spec.get(field).is_some_and(|value| !value.is_null());
    let stored = |field: &str| {
        let value = old?.get("spec")?.get(field)?;
        (!value.is_null()).then(|| value.clone())
    };
    let authenticated = given("jwtAuthRole") || given("tokenSecretRef");
    let role = installation.restore_jwt_auth_role.as_ref().filter(|_| !authenticated);
    let image = Some(&installation.executor_image).filter(|_| !given("image"));
    [("audience", Some(&installation.audience)), ("executorImage", image), ("jwtAuthRole", role)]
        .into_iter()
        .filter(|(field, _)| !given(field))
        .filter_map(|(field, of_installation)| {
            let on_creation = || of_installation.map(|text| Value::from(text.as_str()));
            let value = if old.is_some() { stored(field) } else { on_creation() }?;
            Some(Addition { field, value })
        })
        .collect()
}

/// The object as it would be stored, from the one that somebody wrote: with all that the API server fills in, and then
/// the mutating webhook.
#[must_use]
pub fn stored(kind: Kind, written: &Value, old: Option<&Value>, installation: &Installation) -> Value {
    let prepared = prepared(kind, written);
    filled(&prepared, &defaults(kind, &prepared, old, installation))
}

/// The object with its additions.
#[must_use]
pub(crate) fn filled(object: &Value, additions: &[Addition]) -> Value {
    let mut object = object.clone();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        for Addition { field, value } in additions {
            spec.insert((*field).to_owned(), value.clone());
        }
    }
    object
}
