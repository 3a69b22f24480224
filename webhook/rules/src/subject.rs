//! What a verdict depends on: the object, the one before, their namespace, and the networks of the installation.

use crate::address::{Door, Networks};
use crate::change::same;
use crate::look::{Address, Given, Initialisation, Login, Request, Secret, Servers};
use crate::part::Part;
use crate::schema;
use api::cluster::REPLICAS;
use api::{BackupSpec, Connection, OpenBaoRestoreSpec, SecretReference, StorageTarget, TokenReference};
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

    /// The parts of an object that are judged, each on its own, and only where it is new.
    const fn parts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Restore => &[("spec", "/spec")],
            Self::Cluster => &[
                ("spec.backup", "/spec/backup"),
                ("spec.restore", "/spec/restore"),
                ("spec.connection", "/spec/connection"),
            ],
        }
    }
}

/// An object to be judged: as it was sent, and parsed where it parses. Of one that is being deleted, or that stays as
/// it is, nothing is looked at: an old object must never get stuck on a new rule.
#[derive(Debug)]
pub struct Subject<'a> {
    namespace: &'a str,
    networks: &'a Networks,
    as_written: bool,
    change: Option<(&'a Value, &'a Value)>,
    parts: Vec<Part<'a>>,
    restore: Option<OpenBaoRestoreSpec>,
    backup: Option<BackupSpec>,
    connection: Option<Connection>,
    /// Every address that credentials are sent to, parsed once.
    addresses: Vec<(String, Given)>,
    /// Whether the servers were initialised with a role for backups.
    made_role: bool,
    /// How many servers there are.
    replicas: i64,
}

impl<'a> Subject<'a> {
    /// `new` is the whole object, `old` the one that it replaces (none: it is created), `namespace` the request's.
    #[must_use]
    pub fn new(
        kind: Kind,
        namespace: &'a str,
        new: &'a Value,
        old: Option<&'a Value>,
        networks: &'a Networks,
    ) -> Self {
        let made_role = new.pointer("/spec/selfInit/oidc/enabled").and_then(Value::as_bool);
        let replicas = new.pointer("/spec/replicas").and_then(Value::as_i64);
        let mut subject = Self {
            namespace,
            networks,
            as_written: false,
            change: None,
            parts: Vec::new(),
            restore: None,
            backup: None,
            connection: None,
            addresses: Vec::new(),
            made_role: made_role.unwrap_or_default(),
            replicas: replicas.unwrap_or(REPLICAS),
        };
        let deleted = new.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null());
        if !deleted {
            subject.look(kind, new, old);
            subject.addresses = subject.given_addresses();
        }
        subject
    }

    /// The same as a file has it: no API server has pruned what the API does not know.
    #[must_use]
    pub fn as_written(self) -> Self {
        Self { as_written: true, ..self }
    }

    fn look(&mut self, kind: Kind, new: &'a Value, old: Option<&'a Value>) {
        for (path, pointer) in kind.parts() {
            let before = old.map(|old| old.pointer(pointer));
            let now = new.pointer(pointer);
            match (kind, before) {
                (_, Some(before)) if same(before, now) => {}
                (Kind::Restore, Some(before)) => {
                    self.change = Some((before.unwrap_or(&Value::Null), now.unwrap_or(&Value::Null)));
                }
                // Without a spec every required field is missing, and told as such.
                (Kind::Restore, None) => self.restore = self.parse(kind, path, now.unwrap_or(&Value::Null)),
                (Kind::Cluster, _) => match (*path, now) {
                    (_, None | Some(Value::Null)) => {}
                    ("spec.backup", Some(now)) => self.backup = self.parse(kind, path, now),
                    ("spec.connection", Some(now)) => self.connection = self.parse(kind, path, now),
                    (_, Some(now)) => {
                        self.parse::<Value>(kind, path, now);
                    }
                },
            }
        }
    }

    fn parse<T: Deserialize<'a>>(&mut self, kind: Kind, path: &'static str, value: &'a Value) -> Option<T> {
        let (parsed, unreadable) = match T::deserialize(value) {
            Ok(parsed) => (Some(parsed), None),
            Err(error) => (None, Some(error.to_string())),
        };
        self.parts.push(Part { path, value, schema: schema::at(kind, path), unreadable });
        parsed
    }

    /// The old and new spec of a request that changed: it is judged for nothing but the change.
    pub(crate) const fn change(&self) -> Option<(&'a Value, &'a Value)> {
        self.change
    }

    pub(crate) fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// The parts, if nobody has pruned them.
    pub(crate) fn written(&self) -> &[Part<'a>] {
        if self.as_written { &self.parts } else { &[] }
    }

    pub(crate) fn request(&self) -> Option<Request<'_>> {
        self.restore.as_ref().map(|spec| Request { namespace: self.namespace, spec })
    }

    pub(crate) fn servers(&self) -> Option<Servers<'_>> {
        self.connection.as_ref().map(|connection| Servers { connection, replicas: self.replicas })
    }

    pub(crate) const fn backup(&self) -> Option<&BackupSpec> {
        self.backup.as_ref()
    }

    pub(crate) fn targets(&self) -> impl Iterator<Item = (&'static str, &StorageTarget)> {
        let of_restore = self.restore.iter().map(|restore| ("spec.source.target", &restore.source.target));
        of_restore.chain(self.backup.iter().map(|backup| ("spec.backup.target", &backup.target)))
    }

    pub(crate) fn logins(&self) -> impl Iterator<Item = (&'static str, Login<'_>)> {
        let of_restore = self.restore.iter().map(|restore| {
            let login = Login {
                role: restore.jwt_auth_role.as_deref(),
                mount: Some(&restore.jwt_auth_mount),
                has_token: restore.token_secret_ref.is_some(),
                initialisation: Initialisation::NeverDoes,
                executor_image: restore.executor_image.as_deref(),
                image: restore.image.as_deref(),
            };
            ("spec", login)
        });
        let made = if self.made_role { Initialisation::MadeRole } else { Initialisation::MadeNone };
        let of_backup = self.backup.iter().map(move |backup| {
            let login = Login {
                role: backup.jwt_auth_role.as_deref(),
                mount: backup.jwt_auth_mount.as_deref(),
                has_token: backup.token_secret_ref.is_some(),
                initialisation: made,
                executor_image: backup.executor_image.as_deref(),
                image: backup.image.as_deref(),
            };
            ("spec.backup", login)
        });
        of_restore.chain(of_backup)
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&'static str, Secret<'_>)> {
        let (restore, backup) = (self.restore.as_ref(), self.backup.as_ref());
        let credentials = [
            (
                "spec.source.target.credentialsSecretRef",
                restore.and_then(|restore| restore.source.target.credentials_secret_ref.as_ref()),
            ),
            (
                "spec.backup.target.credentialsSecretRef",
                backup.and_then(|backup| backup.target.credentials_secret_ref.as_ref()),
            ),
        ];
        let tokens = [
            ("spec.tokenSecretRef", restore.and_then(|restore| restore.token_secret_ref.as_ref())),
            ("spec.backup.tokenSecretRef", backup.and_then(|backup| backup.token_secret_ref.as_ref())),
        ];
        let authority = self.connection.as_ref().and_then(|connection| connection.ca_secret_ref.as_ref());
        let secret = |is_credential| {
            move |(path, named): (_, Option<_>)| Some((path, self.secret(named?, is_credential)))
        };
        let tokens = tokens.into_iter().filter_map(|(path, named)| Some((path, self.token(named?))));
        let authority = [("spec.connection.caSecretRef", authority)].into_iter().filter_map(secret(false));
        credentials.into_iter().filter_map(secret(true)).chain(tokens).chain(authority)
    }

    fn secret<'s>(&'s self, named: &'s SecretReference, is_credential: bool) -> Secret<'s> {
        Secret {
            name: &named.name,
            namespace: named.namespace.as_deref(),
            key: named.key.as_deref(),
            own_namespace: self.namespace,
            is_credential,
        }
    }

    fn token<'s>(&'s self, named: &'s TokenReference) -> Secret<'s> {
        Secret {
            name: &named.name,
            namespace: named.namespace.as_deref(),
            key: Some(&named.key),
            own_namespace: self.namespace,
            is_credential: true,
        }
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, Address<'_>)> {
        let address = |given| Address { given, networks: self.networks };
        self.addresses.iter().map(move |(path, given)| (path.as_str(), address(given)))
    }

    fn given_addresses(&self) -> Vec<(String, Given)> {
        let stores = self.targets().filter_map(|(path, target)| {
            Some((format!("{path}.endpoint"), Given::new(target.endpoint.as_deref()?, Door::Storage)))
        });
        let servers = self.connection.iter().flat_map(|connection| connection.addresses.iter().enumerate());
        let servers = servers
            .map(|(n, text)| (format!("spec.connection.addresses[{n}]"), Given::new(text, Door::Server)));
        stores.chain(servers).collect()
    }
}
