//! What the operator tells the executor (Task) and hears back (Report): JSON, versioned, small, without secrets.

mod backup;
mod proof;

pub use backup::{BackupMade, BackupOrder, Keep, NAMED_KEYS, Pruned, Upload};
pub use proof::{Answer, Answered, Checked, Claim, Claimed, Identity, Origin, SnapshotMarker};

use crate::conditions::{ConditionType, Reason};
use crate::target::StorageTarget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Version of both types; another one is refused.
pub const WIRE_VERSION: u32 = 2;

/// Most bytes of either: the termination log of a container keeps no more.
pub const MAX_BYTES: usize = 4096;

/// What one Job is to do. It travels as the pod annotation [`crate::names::TASK`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// [`WIRE_VERSION`].
    pub v: u32,
    /// Check, restore, prove or backup.
    pub kind: TaskKind,
    /// The request, or the backup Job.
    pub request: Request,
    /// The Lease that this pod claims, by name and UID.
    pub ticket: Ticket,
    /// No claim after this instant.
    pub not_after: Time,
    /// The object store.
    pub target: StorageTarget,
    /// Full key of the object; for a backup, what its key begins with.
    pub key: String,
    /// SHA-256 that the object must have, hexadecimal, if the request gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The servers.
    pub cluster: Servers,
    /// How the executor logs in; a proof needs no credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Whether other seal keys and an unhealthy cluster are accepted.
    #[serde(default)]
    pub force: bool,
    /// What the check found, for a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pinned>,
    /// What the manifest of the snapshot says, for a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What the check saw of the servers, for a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// What is to be proved, for a proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// How a backup is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupOrder>,
}

/// What a Task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// Look at everything, change nothing.
    Check,
    /// Apply the snapshot.
    Restore,
    /// Find out whether an earlier restore was applied.
    Prove,
    /// Take a snapshot.
    Backup,
}

/// The object that a Task is done for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its namespace, which is the pod's.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Every server of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Servers {
    /// URL of each, never of a Service that stands before several.
    pub addresses: Vec<String>,
    /// How many servers there are.
    #[serde(default)]
    pub replicas: usize,
    /// Name that their certificates carry, where it is not the host of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}

/// How the executor logs in to OpenBao; the secret itself is a mounted file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// With the pod's `ServiceAccount` token.
    Jwt {
        /// Mount of the auth method.
        mount: String,
        /// Role.
        role: String,
    },
    /// With a token from a Secret.
    Token {
        /// Key of the Secret, which is the name of the file.
        key: String,
    },
}

/// The Lease that lets one pod act at most once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its name, which is the Job's.
    pub name: String,
    /// Its UID; one that was re-created is another one.
    pub uid: String,
}

/// An object as the check saw it, to the last byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Entity tag of the store, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Version or generation of the object, where the store has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What a pod without any credential is to find out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// What the restore left on its ticket.
    pub claim: Claim,
    /// How its POST ended, if its pod has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answered>,
    /// Whether no POST can be on its way any more, so that a marker that is still there proves that it was not applied.
    pub nothing_on_its_way: bool,
}

/// What a pod did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`WIRE_VERSION`].
    pub v: u32,
    /// How it ended; also the exit code.
    pub outcome: Outcome,
    /// Every problem found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What was found out about each stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageFinding>,
    /// What to do now, as commands to copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<String>,
    /// The object, where it was read whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pinned>,
    /// What the manifest of the object says, where a check read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What a check saw of the servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// The backup, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupMade>,
}

/// What a pod found out about one stage; it becomes the condition of that type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageFinding {
    /// Type of the condition.
    pub stage: ConditionType,
    /// Whether it holds; absent: could not be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// Stable reason.
    pub reason: Reason,
    /// What was found, in one sentence.
    pub message: String,
}

/// One thing that is wrong, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Stable reason.
    pub reason: Reason,
    /// Field of the request that it concerns, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What happened and what to do, in whole sentences.
    pub message: String,
}

/// How a pod ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Done.
    Done,
    /// Refused, and nothing was changed.
    Refused,
    /// Failed, and nothing was changed.
    Failed,
    /// Nobody knows whether anything was changed.
    Unknown,
}

impl Outcome {
    /// Exit code of the executor.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Failed => 2,
            Self::Unknown => 3,
        }
    }
}

/// Why a text is no Task and no Report.
#[derive(Debug, Error)]
pub enum WireError {
    /// No text at all.
    #[error(
        "there is no task: the pod annotation {} is empty, so this pod has no work to do",
        crate::names::TASK
    )]
    Absent,
    /// Longer than [`MAX_BYTES`].
    #[error("{bytes} bytes are too long: at most {MAX_BYTES} are allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not JSON of the expected shape.
    #[error("not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Of another version.
    #[error("version {found} is not {WIRE_VERSION}: operator and executor image are of different releases")]
    OtherVersion {
        /// The version found.
        found: u64,
    },
}

impl Task {
    /// Reads a Task.
    ///
    /// # Errors
    /// When the text is absent, too long, of another version, or of another shape.
    pub fn parse(text: &str) -> Result<Self, WireError> {
        parse(text)
    }
}

impl Report {
    /// Every problem, each with its field, as one text.
    #[must_use]
    pub fn told(&self) -> String {
        let one = |problem: &Problem| match &problem.field {
            Some(field) => format!("{field}: {}", problem.message),
            None => problem.message.clone(),
        };
        self.problems.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Reads a Report.
    ///
    /// # Errors
    /// When the text is absent, too long, of another version, or of another shape.
    pub fn parse(text: &str) -> Result<Self, WireError> {
        parse(text)
    }
}

/// The version is read before the shape: an older program meets a newer type with a clear answer.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, WireError> {
    if text.trim().is_empty() {
        return Err(WireError::Absent);
    }
    if text.len() > MAX_BYTES {
        return Err(WireError::TooLong { bytes: text.len() });
    }
    let value: serde_json::Value = serde_json::from_str(text)?;
    let found = value.get("v").and_then(serde_json::Value::as_u64).unwrap_or_default();
    if found != u64::from(WIRE_VERSION) {
        return Err(WireError::OtherVersion { found });
    }
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_newer_version_and_too_much_are_told_apart() {
        assert!(matches!(Task::parse("  "), Err(WireError::Absent)));
        assert!(matches!(Task::parse(r#"{"v":1}"#), Err(WireError::OtherVersion { found: 1 })));
        assert!(matches!(Task::parse(&"x".repeat(MAX_BYTES + 1)), Err(WireError::TooLong { .. })));
        assert!(matches!(Task::parse(r#"{"v":2}"#), Err(WireError::Unreadable(_))));
    }

    #[test]
    fn a_report_comes_back_as_it_was_written() {
        let report = Report {
            v: WIRE_VERSION,
            outcome: Outcome::Refused,
            problems: vec![Problem {
                reason: Reason::CheckFailed,
                field: Some("spec.source.key".to_owned()),
                message: "The object is not there.".to_owned(),
            }],
            stages: vec![StageFinding {
                stage: ConditionType::SnapshotVerified,
                holds: Some(false),
                reason: Reason::CheckFailed,
                message: "It is not there.".to_owned(),
            }],
            next_steps: Vec::new(),
            pinned: None,
            origin: None,
            checked: None,
            backup: None,
        };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(Report::parse(&text).unwrap(), report);
        assert_eq!(report.outcome.exit_code(), 1);
    }
}
