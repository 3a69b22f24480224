//! What rules look at: a part of an object, parsed, and where it stands.

use crate::address::{self, AddressError, Door, Networks};
use crate::part;
use crate::subject::Subject;
use crate::text::is_blank;
use crate::verdict::Found;
use api::{BackupSpec, Connection, OpenBaoRestoreSpec, StorageTarget};
use serde_json::Value;

type Judge<T> = fn(&T) -> Vec<Found>;

/// The thing that a rule is asked about, once for each that there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// The old and the new spec of a request that changed.
    Change(fn(&Value, &Value) -> Vec<Found>),
    /// A part as it was written, before an API server pruned it.
    Written(fn(&part::Part<'_>) -> Vec<Found>),
    /// A part as it was sent.
    Part(fn(&part::Part<'_>) -> Vec<Found>),
    /// A new restore.
    Request(fn(&Request<'_>) -> Vec<Found>),
    /// How a Job logs in, and in which image it runs.
    Login(fn(&Login<'_>) -> Vec<Found>),
    /// A Secret that is named.
    Secret(fn(&Secret<'_>) -> Vec<Found>),
    /// An object store.
    Target(Judge<StorageTarget>),
    /// An address that credentials are sent to.
    Address(fn(&Address<'_>) -> Vec<Found>),
    /// How the servers are reached.
    Connection(fn(&Servers<'_>) -> Vec<Found>),
    /// Backups of a cluster.
    Backup(Judge<BackupSpec>),
}

/// A new restore, and its namespace.
pub(crate) struct Request<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) spec: &'a OpenBaoRestoreSpec,
}

/// A login at OpenBao and the image of who logs in, of a restore or of backups.
pub(crate) struct Login<'a> {
    pub(crate) role: Option<&'a str>,
    pub(crate) mount: Option<&'a str>,
    pub(crate) has_token: bool,
    /// What stands in for a role where none is named.
    pub(crate) initialisation: Initialisation,
    pub(crate) executor_image: Option<&'a str>,
    pub(crate) image: Option<&'a str>,
}

/// Whether the initialisation of the servers made a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initialisation {
    /// It made one for this purpose.
    MadeRole,
    /// It could have.
    MadeNone,
    /// It never makes one for this purpose.
    NeverDoes,
}

/// A Secret that is named.
pub(crate) struct Secret<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    /// Namespace of the object that names it.
    pub(crate) own_namespace: &'a str,
    /// Whether a credential is read from it, not only a CA.
    pub(crate) is_credential: bool,
}

/// How the servers are reached, and how many there are.
pub(crate) struct Servers<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) replicas: i64,
}

/// An address, and what it may be.
pub(crate) struct Address<'a> {
    pub(crate) given: &'a Given,
    pub(crate) networks: &'a Networks,
}

/// An address as it was given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) parsed: Result<address::Address, AddressError>,
    pub(crate) is_blank: bool,
    pub(crate) door: Door,
}

impl Given {
    pub(crate) fn new(text: &str, door: Door) -> Self {
        Self { parsed: address::Address::parse(text), is_blank: is_blank(text), door }
    }
}

impl Look {
    /// The field or fields, in the words of the API.
    pub(crate) const fn subject(&self) -> &'static str {
        match self {
            Self::Change(_) => "changed restore",
            Self::Written(_) => "spec in a file",
            Self::Part(_) => "spec",
            Self::Request(_) => "restore",
            Self::Login(_) => "restore, backup",
            Self::Secret(_) => "Secret reference",
            Self::Target(_) => "target",
            Self::Address(_) => "endpoint, connection",
            Self::Connection(_) => "connection",
            Self::Backup(_) => "backup",
        }
    }

    /// Asks about each thing there is; `tell` gets the path of the thing and what was found below it.
    pub(crate) fn each(&self, subject: &Subject<'_>, mut tell: impl FnMut(&str, Found)) {
        let mut all = |path: &str, found: Vec<Found>| found.into_iter().for_each(|one| tell(path, one));
        match self {
            Self::Change(judge) => {
                subject.change().into_iter().for_each(|(old, new)| all("spec", judge(old, new)));
            }
            Self::Written(judge) => subject.written().iter().for_each(|part| all(part.path, judge(part))),
            Self::Part(judge) => subject.parts().iter().for_each(|part| all(part.path, judge(part))),
            Self::Request(judge) => subject.request().iter().for_each(|request| all("spec", judge(request))),
            Self::Login(judge) => subject.logins().for_each(|(path, login)| all(path, judge(&login))),
            Self::Secret(judge) => subject.secrets().for_each(|(path, secret)| all(path, judge(&secret))),
            Self::Target(judge) => subject.targets().for_each(|(path, target)| all(path, judge(target))),
            Self::Address(judge) => {
                subject.addresses().for_each(|(path, address)| all(path, judge(&address)));
            }
            Self::Connection(judge) => {
                subject.servers().iter().for_each(|servers| all("spec.connection", judge(servers)));
            }
            Self::Backup(judge) => {
                subject.backup().iter().for_each(|backup| all("spec.backup", judge(backup)));
            }
        }
    }
}
