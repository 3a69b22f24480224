//! What a Task and a Report say of a backup, beside what they say of everything.

use super::{Problem, SnapshotMarker};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// Most keys that a Report names of what was deleted: it has 4 KiB for everything.
pub const NAMED_KEYS: usize = 8;

/// How a backup is to be done. The key of the Task is the beginning of every key of this cluster, with its last slash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupOrder {
    /// Why it is not to be done at all: a Job that has to be given up says so itself, and fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Problem>,
    /// Uploads that earlier pods may have left; they are aborted first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<Upload>,
    /// Markers that earlier pods may have left in the cluster; they are consumed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconsumed: Vec<SnapshotMarker>,
    /// Which backups are deleted after a good one; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Keys that are never deleted, whatever is to be kept. A folder, with `/` at its end: nothing is deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
}

/// A multipart upload that has begun. It stands on the ticket, annotation [`crate::names::UPLOAD`], before its first part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Key of the object that it becomes.
    pub key: String,
    /// Id that the store gave it.
    pub id: String,
}

/// Which backups are kept: those that every given limit keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keep {
    /// How many; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_count: Option<u32>,
    /// How old, in seconds; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<i64>,
    /// Whether the limits have been tightened since the last good backup, so that many may go at once.
    #[serde(default)]
    pub tightened: bool,
}

/// A backup that is in the store whole, with its manifest. Its size and digest are what the Report has pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupMade {
    /// Full key.
    pub key: String,
    /// When the snapshot was asked for.
    pub started: Time,
    /// When its manifest was written.
    pub finished: Time,
    /// Version of the server that gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// What a reader should know of the backup: why no restore of it can be proved by a marker, or only for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// What was deleted afterwards.
    #[serde(default)]
    pub pruned: Pruned,
}

/// What retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pruned {
    /// How many backups were deleted.
    #[serde(default)]
    pub backups: u32,
    /// How many leftovers without a manifest were.
    #[serde(default)]
    pub leftovers: u32,
    /// The first of their keys, at most [`NAMED_KEYS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// What a reader should know: why less was deleted than the policy says, or why so much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}
