//! What the reference operator writes to a cluster, patch by patch as its release of January 2026 does.

use api::OpenBaoCluster;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

/// What its backups sign the lock with.
pub const BACKUP: &str = "openbaocluster/backup";
/// What its upgrades sign it with.
pub const UPGRADE: &str = "openbaocluster/upgrade";

/// The merge patch with which it takes the lock: it names no version, so it lands on whatever is there.
#[must_use]
pub fn lock(operation: &str, holder: &str) -> Value {
    let now = Time(Timestamp::now());
    json!({"status": {"operationLock": {
        "operation": operation, "holder": holder, "message": "backup job backup-c-20260320-030000",
        "acquiredAt": now, "renewedAt": now,
    }}})
}

/// Takes the lock as its manager does.
///
/// # Errors
/// When the API server refuses.
pub async fn take_lock(
    clusters: &Api<OpenBaoCluster>,
    name: &str,
    operation: &str,
    holder: &str,
) -> kube::Result<OpenBaoCluster> {
    let params = PatchParams { field_manager: Some("manager".to_owned()), ..PatchParams::default() };
    clusters.patch_status(name, &params, &Patch::Merge(lock(operation, holder))).await
}

/// Applies what it says after a backup.
///
/// # Errors
/// When the API server refuses.
pub async fn report_backup(clusters: &Api<OpenBaoCluster>, name: &str) -> kube::Result<OpenBaoCluster> {
    let now = Time(Timestamp::now());
    let object = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": {"name": name},
        "status": {"backup": {"lastAttemptTime": now, "lastBackupTime": now, "lastBackupName": "b/c/x.snap"}},
    });
    let params = PatchParams::apply("openbao-backup-controller");
    clusters.patch_status(name, &params, &Patch::Apply(&object)).await
}
