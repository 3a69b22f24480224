//! `OpenBaoCluster`: the parts of it that this project owns or reads. All else is preserved unread.

use crate::backup::{BackupSpec, BackupStatus};
use crate::conditions::Condition;
use crate::lock::OperationLock;
use crate::target::SecretReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many servers a cluster has that does not say so.
pub const REPLICAS: i64 = 3;

/// An OpenBao cluster on raft storage.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openbao.org",
    version = "v1alpha1",
    kind = "OpenBaoCluster",
    namespaced,
    status = "OpenBaoClusterStatus",
    derive = "PartialEq",
    derive = "Default",
    shortname = "bao",
    shortname = "baoc",
    category = "openbao",
    doc = "An OpenBao cluster: how it is reached, backed up and restored.",
    printcolumn(name = "Last-Backup", type_ = "date", json_path = ".status.backup.lastBackupTime"),
    printcolumn(name = "Failures", type_ = "integer", json_path = ".status.backup.consecutiveFailures"),
    printcolumn(name = "Lock", type_ = "string", json_path = ".status.operationLock.operation"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.backup.schedule", priority = 1),
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.backup.nextScheduledBackup",
        priority = 1
    ),
    printcolumn(name = "Size", type_ = "integer", json_path = ".status.backup.lastBackupSize", priority = 1),
    printcolumn(name = "Holder", type_ = "string", json_path = ".status.operationLock.holder", priority = 1),
    printcolumn(
        name = "Failure",
        type_ = "string",
        json_path = ".status.backup.lastFailureReason",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct OpenBaoClusterSpec {
    /// Version of the servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many servers there are.
    #[serde(default = "replicas")]
    pub replicas: i64,
    /// TLS of the servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Hardened or Development, for an operator that runs the servers; nothing of ours depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Network of the servers, for an operator that runs them; our Jobs get no policy of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// How the servers were initialised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_init: Option<SelfInit>,
    /// How the servers are upgraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// When, where and as whom the cluster is backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupSpec>,
    /// What restores of this cluster use unless they say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreDefaults>,
    /// How the servers are reached, for clusters that no operator of ours runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
}

/// TLS of the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Tls {
    /// Whether the servers speak TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Network of the servers and of our Jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Network {
    /// Egress that is allowed, as in a network policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress_rules: Vec<PreservedObject>,
}

/// An object that is carried and not read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PreservedObject {}

/// How the servers were initialised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SelfInit {
    /// The JWT auth method that initialisation made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
}

/// The JWT auth method that initialisation made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Oidc {
    /// Whether it was made: mount jwt-operator, role openbao-operator-backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// How the servers are upgraded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Upgrade {
    /// Take a snapshot before each upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_upgrade_snapshot: Option<bool>,
}

/// What restores of this cluster use unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreDefaults {
    /// Role that the reference operator makes at initialisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_auth_role: Option<String>,
}

/// How the servers are reached. It decides where credentials are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// URL of each server; never of a Service that stands before several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Secret with the CA of the servers, key ca.crt unless it says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretReference>,
    /// Name that the certificates of the servers carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}

/// What is known of the cluster. A field that is absent is unknown, never false.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct OpenBaoClusterStatus {
    /// Phase that the operator of the servers gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Whether the servers are initialised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialized: Option<bool>,
    /// Version that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<String>,
    /// Generation that the newest writer of this status looked at; -1: none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is known of the backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupStatus>,
    /// The last 20 restores that were applied or may have been.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub restores: Vec<RestoreRecord>,
    /// Who may act on the cluster now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub operation_lock: Option<OperationLock>,
    /// Conditions of every controller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A restore that was applied or may have been.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRecord {
    /// Name of the request.
    #[serde(default)]
    pub name: String,
    /// UID of the request.
    #[serde(default)]
    pub uid: String,
    /// Its intent; see the field of that name of a restore's status.
    #[serde(default)]
    pub intent_digest: String,
    /// SHA-256 of the snapshot, hexadecimal.
    #[serde(default)]
    pub snapshot_digest: String,
    /// applied, not-applied or unknown.
    #[serde(default)]
    pub outcome: String,
    /// When that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

const fn replicas() -> i64 {
    REPLICAS
}
