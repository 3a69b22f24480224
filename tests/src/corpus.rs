//! The cases of admission, out of `tests/cases`: each a request, the verdict, and what is found. A case is written as a
//! change of the `spec` of a good object, and so is the old object where it is an update. A file bears the name of the
//! rule that its cases are about.

use crate::cluster::STORAGE_NETWORKS;
use rules::{Installation, Kind, Subject, Verdict, judge, stored};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Namespace of all of them.
pub const NAMESPACE: &str = "security";

/// One request.
#[derive(Clone, Debug)]
pub struct Case {
    /// The rule that it is about.
    pub rule: String,
    /// File and name, for messages.
    pub title: String,
    /// Name of its object.
    pub object: String,
    /// Its kind.
    pub kind: Kind,
    /// The object that is sent.
    pub new: Value,
    /// The object that is there; none: it is created.
    pub old: Option<Value>,
    /// Whether it is refused.
    pub refused: bool,
    /// Rule and field of everything that is found, sorted.
    pub findings: Vec<(String, String)>,
}

/// As a file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    restore: Option<Value>,
    cluster: Option<Value>,
    old: Option<Value>,
    verdict: Word,
    #[serde(default)]
    findings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Admitted,
    Refused,
}

impl Case {
    /// What the rules say, with the networks and defaults of the local cluster.
    ///
    /// # Panics
    /// When the networks of the local cluster are none.
    #[must_use]
    pub fn judged(&self) -> Verdict {
        let networks = STORAGE_NETWORKS.parse().unwrap_or_else(|error| panic!("{error}"));
        let installation = Installation {
            audience: "openbao-internal".to_owned(),
            executor_image: "openbao-recovery:local".to_owned(),
            restore_jwt_auth_role: None,
        };
        let old = self.old.as_ref().map(|old| stored(self.kind, old, None, &installation));
        let new = stored(self.kind, &self.new, old.as_ref(), &installation);
        judge(&Subject::new(self.kind, NAMESPACE, &new, old.as_ref(), &networks).as_written())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every case, in the order of files and names.
///
/// # Panics
/// When a file is none of cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let folder = folder();
    let restore: Value = read(&folder.join("base/restore.yaml"));
    let cluster: Value = read(&folder.join("base/cluster.yaml"));
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let rule = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for written in read::<Vec<Written>>(&path) {
            let number = cases.len();
            let (kind, base, change) = match (&written.restore, &written.cluster) {
                (Some(change), None) => (Kind::Restore, &restore, change),
                (None, Some(change)) => (Kind::Cluster, &cluster, change),
                _ => panic!("{}: {}: restore or cluster, one of them", path.display(), written.name),
            };
            let object = format!("case-{number}");
            let changed = |change: &Value| {
                let mut whole = base.clone();
                whole["metadata"]["name"] = json!(object);
                merge(&mut whole["spec"], change);
                whole
            };
            cases.push(Case {
                title: format!("{rule}.yaml: {}", written.name),
                new: changed(change),
                old: written.old.as_ref().map(changed),
                refused: written.verdict == Word::Refused,
                findings: findings(&written),
                rule: rule.clone(),
                object,
                kind,
            });
        }
    }
    cases
}

fn findings(written: &Written) -> Vec<(String, String)> {
    let mut found: Vec<_> = written
        .findings
        .iter()
        .map(|text| {
            let (rule, field) =
                text.split_once(' ').unwrap_or_else(|| panic!("{text}: a rule, a blank and a field"));
            (rule.to_owned(), field.to_owned())
        })
        .collect();
    found.sort();
    found
}

/// Merges a change into a value as RFC 7396 says: null removes.
pub fn merge(into: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *into = change.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let Some(fields) = into.as_object_mut() else { return };
    for (name, change) in change {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}
