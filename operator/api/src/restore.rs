//! `OpenBaoRestore`: an immutable request to overwrite one cluster with one snapshot.

use crate::conditions::Condition;
use crate::target::{StorageTarget, TokenReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to restore, where to, and who asks OpenBao for it. Never changes once it is created.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openbao.org",
    version = "v1alpha1",
    kind = "OpenBaoRestore",
    namespaced,
    status = "OpenBaoRestoreStatus",
    derive = "PartialEq",
    shortname = "obrestore",
    shortname = "obr",
    category = "openbao",
    doc = "An immutable request to overwrite an OpenBaoCluster with a snapshot.",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Completed", type_ = "date", json_path = ".status.completionTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Snapshot", type_ = "string", json_path = ".spec.source.key", priority = 1),
    printcolumn(name = "Bytes", type_ = "integer", json_path = ".status.progress.bytes", priority = 1),
    printcolumn(name = "Total", type_ = "integer", json_path = ".status.progress.total", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct OpenBaoRestoreSpec {
    /// The OpenBaoCluster to overwrite, in the same namespace.
    pub cluster: String,
    /// The snapshot.
    pub source: RestoreSource,
    /// Role of the JWT auth method of OpenBao that the restore logs in with. This or tokenSecretRef is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_auth_role: Option<String>,
    /// Mount of that auth method.
    #[serde(default = "jwt_auth_mount")]
    pub jwt_auth_mount: String,
    /// Secret with an OpenBao token, for clusters without JWT auth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<TokenReference>,
    /// Audience of the ServiceAccount token that is shown to OpenBao; filled in on creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Image of the executor; filled in on creation with the installation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_image: Option<String>,
    /// The same field by the name that manifests of the reference operator use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Go on across seal keys, and on an unhealthy or upgrading cluster.
    #[serde(default)]
    pub force: bool,
    /// Take the cluster's operation lock from whoever holds it; needs force.
    #[serde(default)]
    pub override_operation_lock: bool,
    /// Seconds from creation within which the restore must be Running, else it fails and nothing is touched.
    #[serde(default = "starting_deadline_seconds")]
    pub starting_deadline_seconds: i64,
}

/// Where the snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSource {
    /// The object store.
    pub target: StorageTarget,
    /// Full key of the object; pathPrefix is not put before it.
    pub key: String,
    /// SHA-256 that the object must have, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// How far the request has come, and what to do next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenBaoRestoreStatus {
    /// Pending, Validating, Running, Completed or Failed.
    #[serde(default)]
    #[schemars(with = "String")]
    pub phase: Phase,
    /// Generation of the request that this status speaks of; -1: not seen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Generation that was judged and accepted; nothing runs on another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_generation: Option<i64>,
    /// SHA-256 over what makes this request the same as another one: name, cluster, key and place of the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_digest: Option<String>,
    /// When validation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the terminal phase was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// What happened, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// UID of the Lease that lets one pod act at most once.
    #[serde(default, rename = "ticketUID", skip_serializing_if = "Option::is_none")]
    pub ticket_uid: Option<String>,
    /// Key of the checked snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_key: Option<String>,
    /// Size of the checked snapshot in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_size: Option<i64>,
    /// SHA-256 of the checked snapshot, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_digest: Option<String>,
    /// How much of the snapshot has been moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Name of the Job at work, or of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// What to do now, as commands to copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<String>,
    /// One condition a stage, and those that kstatus reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Bytes moved, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Bytes moved so far.
    #[serde(default)]
    pub bytes: i64,
    /// Bytes in all.
    #[serde(default)]
    pub total: i64,
}

/// Where a restore stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Not looked at yet, or waiting for its cluster.
    #[default]
    Pending,
    /// Checked to the last byte; nothing is touched, no lock is held.
    Validating,
    /// The lock is held and the restore Job exists.
    Running,
    /// The cluster has proved the restore.
    Completed,
    /// Over, for the reason that the conditions give.
    Failed,
}

impl Phase {
    /// Completed and Failed never change again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

fn jwt_auth_mount() -> String {
    "jwt".to_owned()
}

/// One hour: long enough for a GitOps sync that brings cluster and restore together, short enough that a request
/// found months later in Git does not run.
fn starting_deadline_seconds() -> i64 {
    3600
}
