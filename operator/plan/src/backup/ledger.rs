//! What is remembered between two backups: an annotation of the `CronJob`.

use api::task::{Keep, SnapshotMarker, Upload};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// Uploads that are remembered at the most; a rule of the bucket's life cycle is there for more.
const MOST_UPLOADS: usize = 8;
/// Markers likewise; one that is never consumed is in no manifest, so nothing is proved by it.
const MOST_MARKERS: usize = 8;

/// The value of the annotation, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// The backup that has begun and is not cleaned up after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Uploads that pods of before may have left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<Upload>,
    /// Markers that pods of before may have left in the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unconsumed: Vec<SnapshotMarker>,
    /// The limits of retention that the last good backup had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Keep>,
}

/// A backup that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Name of its Job, ticket and rights.
    pub job: String,
    /// UID of its Job.
    pub uid: String,
    /// When it took the lock: the status has it as the last attempt once its outcome is written.
    pub at: Time,
    /// The time of the schedule that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Time>,
    /// The version that the cluster is upgraded to, if it is for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<String>,
}

impl Ledger {
    /// Reads the annotation. One that cannot be read is empty: what it remembered is lost, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The value of the annotation.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// With one more upload to settle.
    #[must_use]
    pub(super) fn with(mut self, upload: &Upload) -> Self {
        if !self.unfinished.contains(upload) {
            self.unfinished.push(upload.clone());
            self.unfinished.drain(..self.unfinished.len().saturating_sub(MOST_UPLOADS));
        }
        self
    }

    /// With more markers to consume: the newest of all that have not gone by themselves, whatever of them is told again.
    #[must_use]
    pub(super) fn with_markers(mut self, markers: &[SnapshotMarker], now: Timestamp) -> Self {
        let all = &mut self.unconsumed;
        all.extend_from_slice(markers);
        all.retain(|marker| marker.expires.0 > now);
        all.sort_by(|one, other| (one.created.0, &one.token).cmp(&(other.created.0, &other.token)));
        all.dedup();
        all.drain(..all.len().saturating_sub(MOST_MARKERS));
        self
    }
}
