//! What a verdict depends on, of a review. All else is passed over while it is read, so that a review never needs much
//! more memory than its own bytes: a cluster carries what this project does not know, and nobody bounds metadata.

use super::Malformed;
use kube::core::admission::{META_API_VERSION_V1, Operation};
use rules::Kind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Most bytes of a part that is judged. What it is made of is short; parsed, JSON takes up to 16 times its length.
const PART_BYTES: usize = 128 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: String,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// A request for admission.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub(super) uid: String,
    kind: GroupKind,
    #[serde(default)]
    sub_resource: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    pub(super) operation: Operation,
    #[serde(borrow, default)]
    object: Option<Object<'a>>,
    #[serde(borrow, default)]
    old_object: Option<Object<'a>>,
}

#[derive(Deserialize)]
struct GroupKind {
    #[serde(default)]
    group: String,
    kind: String,
}

/// An object, unread but for what every kind has.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(default)]
    metadata: Metadata,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deletion_timestamp: Option<String>,
}

/// The parts of a cluster's spec that are judged, and what they are judged by.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterSpec<'a> {
    #[serde(borrow, default)]
    backup: Option<&'a RawValue>,
    #[serde(borrow, default)]
    restore: Option<&'a RawValue>,
    #[serde(borrow, default)]
    connection: Option<&'a RawValue>,
    #[serde(default)]
    self_init: Option<api::SelfInit>,
    #[serde(default)]
    replicas: Option<i64>,
}

impl<'a> Request<'a> {
    /// Reads a review.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let review: Review<'_> = serde_json::from_slice(body)?;
        let request = review.request.filter(|_| review.api_version == META_API_VERSION_V1);
        request.ok_or(Malformed::NotARequest)
    }

    /// The kind of ours that it names.
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::find(&self.kind.group, &self.kind.kind)
    }

    /// Whether an object itself is made or changed, not something below it.
    pub(super) fn is_written(&self) -> bool {
        let of_object = self.sub_resource.as_deref().is_none_or(str::is_empty);
        of_object && matches!(self.operation, Operation::Create | Operation::Update)
    }

    /// The object, and on an update the one before, each with what is judged of it. An update that lost its old object
    /// must not pass as a creation.
    pub(super) fn objects(&self, kind: Kind) -> Result<(Value, Option<Value>), Malformed> {
        let missing = || Malformed::MissingObject(self.operation.clone());
        let new = judged(kind, self.object.as_ref().ok_or_else(missing)?)?;
        let old = match self.operation {
            Operation::Update => Some(judged(kind, self.old_object.as_ref().ok_or_else(missing)?)?),
            _ => None,
        };
        Ok((new, old))
    }
}

fn judged(kind: Kind, object: &Object<'_>) -> Result<Value, Malformed> {
    let mut judged = Map::from_iter([("metadata".to_owned(), json!(object.metadata))]);
    if let Some(raw) = object.spec {
        let spec = match kind {
            Kind::Restore => part("spec", raw)?,
            Kind::Cluster => parts(raw)?,
        };
        judged.insert("spec".to_owned(), spec);
    }
    Ok(Value::Object(judged))
}

fn parts(raw: &RawValue) -> Result<Value, Malformed> {
    let spec: ClusterSpec<'_> = serde_json::from_str(raw.get())?;
    let mut parts = Map::new();
    for (field, path, raw) in [
        ("backup", "spec.backup", spec.backup),
        ("restore", "spec.restore", spec.restore),
        ("connection", "spec.connection", spec.connection),
    ] {
        if let Some(raw) = raw {
            parts.insert(field.to_owned(), part(path, raw)?);
        }
    }
    parts.insert("selfInit".to_owned(), json!(spec.self_init));
    parts.insert("replicas".to_owned(), json!(spec.replicas));
    Ok(Value::Object(parts))
}

fn part(field: &'static str, raw: &RawValue) -> Result<Value, Malformed> {
    let bytes = raw.get().len();
    if bytes > PART_BYTES {
        return Err(Malformed::TooLarge { field, bytes });
    }
    Ok(serde_json::from_str(raw.get())?)
}
