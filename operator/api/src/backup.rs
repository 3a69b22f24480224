//! `spec.backup` and `status.backup` of an `OpenBaoCluster`.

use crate::target::{StorageTarget, TokenReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When, where and as whom the cluster is backed up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSpec {
    /// Cron schedule, five fields; without one, backups are manual only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// IANA time zone of the schedule; without one, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Stops scheduled backups, not manual ones.
    #[serde(default)]
    pub suspend: bool,
    /// Image of the executor; without one, the installation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_image: Option<String>,
    /// The same field by the name that manifests of the reference operator use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Role of the JWT auth method of OpenBao that backups log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_auth_role: Option<String>,
    /// Mount of that auth method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_auth_mount: Option<String>,
    /// Audience of the ServiceAccount token that is shown to OpenBao; without one, the installation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Secret with an OpenBao token, for clusters without JWT auth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<TokenReference>,
    /// The object store.
    pub target: StorageTarget,
    /// Which backups are deleted again; without it, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// Which backups are deleted again. The newest good one never is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// How many are kept; 0 or absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_count: Option<i64>,
    /// How long one is kept, a Go duration such as 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
}

/// What is known of the cluster's backups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// When the last good backup was finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_time: Option<Time>,
    /// Its object key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_name: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_size: Option<i64>,
    /// Its SHA-256, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_digest: Option<String>,
    /// How long it took, a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_duration: Option<String>,
    /// When a backup was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_time: Option<Time>,
    /// The slot of that attempt; written by the reference operator, kept for its readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_scheduled_time: Option<Time>,
    /// The next slot of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_scheduled_backup: Option<Time>,
    /// Failures since the last good backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<i64>,
    /// Why the last failed one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure_reason: Option<String>,
    /// When a slot was last skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_skipped_time: Option<Time>,
    /// Why it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_skip_reason: Option<String>,
    /// The last handled value of the annotation openbao.org/trigger-backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_trigger: Option<String>,
    /// The snapshot taken before an upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_upgrade: Option<PreUpgrade>,
    /// Version of the server that the last good backup came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
}

/// The snapshot taken before an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreUpgrade {
    /// The version upgraded to.
    #[serde(default)]
    pub target_version: String,
    /// Its object key.
    #[serde(default)]
    pub key: String,
    /// When it was finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}
