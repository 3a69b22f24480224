//! The one lock of a cluster, shared with the reference operator's field.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may act on the cluster now. Written only by a merge patch with `resourceVersion`, as one value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationLock {
    /// Upgrade, Backup or Restore.
    #[serde(default)]
    pub operation: String,
    /// Who holds the lock; ours is openbao-recovery/<restore|backup>/<name>/<uid>.
    #[serde(default)]
    pub holder: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquired_at: Option<Time>,
    /// Written by the reference operator, never by us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Time>,
}

/// What we take the lock for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A restore, by the name and UID of its request.
    Restore,
    /// A backup, by the name and UID of its Job.
    Backup,
}

impl Operation {
    /// The value of `operationLock.operation`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restore => "Restore",
            Self::Backup => "Backup",
        }
    }

    /// The value of `operationLock.holder`. Never equal to the reference operator's form, which would renew it.
    #[must_use]
    pub fn holder(self, name: &str, uid: &str) -> String {
        let kind = match self {
            Self::Restore => "restore",
            Self::Backup => "backup",
        };
        format!("{HOLDER_PREFIX}{kind}/{name}/{uid}")
    }
}

/// Begins every holder of ours.
pub const HOLDER_PREFIX: &str = "openbao-recovery/";

/// An operation of ours that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Restore or backup.
    pub operation: Operation,
    /// Name of the request, or of the backup's Job.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl OperationLock {
    /// Whether one of our operations holds it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.holder.starts_with(HOLDER_PREFIX)
    }

    /// Which of our operations holds it; none when it is not ours, or not of our form.
    #[must_use]
    pub fn our_holder(&self) -> Option<Holder> {
        let mut parts = self.holder.strip_prefix(HOLDER_PREFIX)?.split('/');
        let operation = match parts.next()? {
            "restore" => Operation::Restore,
            "backup" => Operation::Backup,
            _ => return None,
        };
        let (name, uid) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        parts.next().is_none().then_some(Holder { operation, name, uid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_names_kind_name_and_uid_and_is_ours() {
        let lock =
            OperationLock { holder: Operation::Restore.holder("dr", "u-1"), ..OperationLock::default() };
        assert_eq!(lock.holder, "openbao-recovery/restore/dr/u-1");
        assert!(lock.is_ours());
        let theirs = OperationLock { holder: "openbaorestore/dr".to_owned(), ..OperationLock::default() };
        assert!(!theirs.is_ours());
        let holder = Holder { operation: Operation::Restore, name: "dr".to_owned(), uid: "u-1".to_owned() };
        assert_eq!((lock.our_holder(), theirs.our_holder()), (Some(holder), None));
        for holder in
            ["openbao-recovery/upgrade/a/b", "openbao-recovery/backup/a", "openbao-recovery/backup/a/b/c"]
        {
            let odd = OperationLock { holder: holder.to_owned(), ..OperationLock::default() };
            assert_eq!(odd.our_holder(), None, "{holder}");
        }
    }
}
