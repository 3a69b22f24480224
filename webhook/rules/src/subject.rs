//! What a verdict depends on: the object, the one before, and their namespace.

use api::{BackupSpec, Connection, OpenBaoRestoreSpec, StorageTarget, TokenReference};
use serde::Deserialize;
use serde_json::Value;

/// A resource that admission knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `OpenBaoRestore`.
    Restore,
    /// `OpenBaoCluster`.
    Cluster,
}

impl Kind {
    /// The kind of that name in our group.
    #[must_use]
    pub fn find(group: &str, kind: &str) -> Option<Self> {
        let of_ours = |ours: &Self| group == api::GROUP && kind == ours.name();
        [Self::Restore, Self::Cluster].into_iter().find(of_ours)
    }

    /// Its name in manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restore => "OpenBaoRestore",
            Self::Cluster => "OpenBaoCluster",
        }
    }
}

/// The parts of a cluster's `spec` that are judged, each on its own, and only where it is new.
const CLUSTER_PARTS: [(&str, &str); 3] = [
    ("spec.backup", "/spec/backup"),
    ("spec.restore", "/spec/restore"),
    ("spec.connection", "/spec/connection"),
];

/// An object to be judged: as it was sent, and parsed where it parses.
#[derive(Debug)]
pub struct Subject<'a> {
    pub(crate) kind: Kind,
    pub(crate) namespace: &'a str,
    pub(crate) new: &'a Value,
    pub(crate) old: Option<&'a Value>,
    pub(crate) restore: Option<OpenBaoRestoreSpec>,
    pub(crate) backup: Option<BackupSpec>,
    pub(crate) connection: Option<Connection>,
    /// Parts that do not parse, and why.
    pub(crate) unreadable: Vec<(&'static str, String)>,
}

/// What restores and backups have in common: a login at OpenBao, and an object store.
pub(crate) struct Access<'a> {
    /// Path that the fields of the login are under.
    pub(crate) path: &'static str,
    pub(crate) target_path: &'static str,
    pub(crate) target: &'a StorageTarget,
    pub(crate) token: Option<&'a TokenReference>,
    pub(crate) role: Option<&'a str>,
    pub(crate) executor_image: Option<&'a str>,
    pub(crate) image: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// `new` is the whole object, `old` the one that it replaces (none: it is created), `namespace` the request's.
    #[must_use]
    pub fn new(kind: Kind, namespace: &'a str, new: &'a Value, old: Option<&'a Value>) -> Self {
        let empty = Vec::new();
        let mut subject = Self {
            kind,
            namespace,
            new,
            old,
            restore: None,
            backup: None,
            connection: None,
            unreadable: empty,
        };
        match kind {
            Kind::Restore => {
                // Without a spec every required field is missing, and told as such.
                let spec = new.get("spec").unwrap_or(&Value::Null);
                subject.restore = subject.parse("spec", Some(spec));
            }
            Kind::Cluster => {
                subject.backup = subject.parse("spec.backup", subject.part("spec.backup"));
                subject.connection = subject.parse("spec.connection", subject.part("spec.connection"));
            }
        }
        subject
    }

    fn parse<T: Deserialize<'a>>(&mut self, field: &'static str, value: Option<&'a Value>) -> Option<T> {
        match T::deserialize(value?) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.unreadable.push((field, error.to_string()));
                None
            }
        }
    }

    /// What is judged, each part with its path: a restore's whole spec, and of a cluster what is ours and new.
    pub(crate) fn parts(&self) -> Vec<(&'static str, &'a Value)> {
        let names: &[&'static str] = match self.kind {
            Kind::Restore => return self.new.get("spec").map(|spec| ("spec", spec)).into_iter().collect(),
            Kind::Cluster => &CLUSTER_PARTS.map(|(field, _)| field),
        };
        names.iter().filter_map(|field| Some((*field, self.part(field)?))).collect()
    }

    fn part(&self, field: &str) -> Option<&'a Value> {
        let (_, pointer) = CLUSTER_PARTS.into_iter().find(|(name, _)| *name == field)?;
        let before = self.old.and_then(|old| old.pointer(pointer));
        self.new.pointer(pointer).filter(|now| !now.is_null() && Some(*now) != before)
    }

    pub(crate) fn is_being_deleted(&self) -> bool {
        self.new.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
    }

    /// Whether the servers were initialised with roles of their own for backups.
    pub(crate) fn has_operator_roles(&self) -> bool {
        self.new.pointer("/spec/selfInit/oidc/enabled").and_then(Value::as_bool).unwrap_or_default()
    }

    /// The login and the store, of a restore or of a cluster's new backups.
    pub(crate) fn access(&self) -> Option<Access<'_>> {
        let restore = self.restore.as_ref().map(|restore| Access {
            path: "spec",
            target_path: "spec.source.target",
            target: &restore.source.target,
            token: restore.token_secret_ref.as_ref(),
            role: restore.jwt_auth_role.as_deref(),
            executor_image: restore.executor_image.as_deref(),
            image: restore.image.as_deref(),
        });
        let backup = || {
            self.backup.as_ref().map(|backup| Access {
                path: "spec.backup",
                target_path: "spec.backup.target",
                target: &backup.target,
                token: backup.token_secret_ref.as_ref(),
                role: backup.jwt_auth_role.as_deref(),
                executor_image: backup.executor_image.as_deref(),
                image: backup.image.as_deref(),
            })
        };
        restore.or_else(backup)
    }
}
