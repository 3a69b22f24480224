//! Why an object did not come into the store.

use crate::report::{Fault, anew};
use crate::steps;
use crate::storage::StoreFault;
use api::conditions::Reason;
use api::task::Task;
use object_store::Error;
use thiserror::Error;

/// Why an object did not come into the store. There is none under its final key, or it is not called a backup.
#[derive(Debug, Error)]
pub(crate) enum UploadError {
    #[error(
        "The key {0:?} cannot be the key of an object. Correct pathPrefix: letters, digits and -_.=/ are always good."
    )]
    Key(String),
    #[error("The bucket does not exist. Make it, or name the right one.")]
    NoBucket,
    #[error(
        "The store refuses the credentials, or they may not write: {0}. Correct the Secret or its policy (s3:PutObject, s3:GetObject, s3:AbortMultipartUpload)."
    )]
    Denied(String),
    #[error(
        "The bucket is in another region or behind another endpoint: {0}. Give the right ones; redirects are not followed."
    )]
    Elsewhere(String),
    #[error(
        "The certificate of the store is not trusted: {0}. Put the PEM of its authority into key caCert of the Secret."
    )]
    Untrusted(String),
    #[error("Nothing was sent to the store: {0}. Give the endpoint of the store.")]
    Diverted(String),
    #[error(
        "The store could not be written: {0}. See that it runs, that it has room, that this namespace may reach it, and whether it wants usePathStyle: true."
    )]
    Store(String),
    #[error(
        "The store has {found} bytes under {key:?}, and {sent} were sent, or somebody else wrote there. See what writes to this prefix."
    )]
    Other { key: String, sent: u64, found: u64 },
    #[error("There is another object under {0:?}. See what writes to this prefix.")]
    Exists(String),
}

impl UploadError {
    pub(super) fn of(error: &Error) -> Self {
        match StoreFault::from(error) {
            StoreFault::Diverted(text) => Self::Diverted(text),
            StoreFault::NoBucket => Self::NoBucket,
            StoreFault::Elsewhere(text) => Self::Elsewhere(text),
            StoreFault::Denied(code) => Self::Denied(code),
            StoreFault::Untrusted(text) => Self::Untrusted(text),
            StoreFault::Empty | StoreFault::NotFound | StoreFault::Condition | StoreFault::Unable => {
                Self::Store(error.to_string())
            }
            StoreFault::Other(text) => Self::Store(text),
        }
    }
}

impl Fault for UploadError {
    fn reason(&self) -> Reason {
        match self {
            Self::Key(_) | Self::Diverted(_) => Reason::SpecRefused,
            Self::Denied(_) => Reason::StorageDenied,
            Self::NoBucket | Self::Elsewhere(_) | Self::Untrusted(_) | Self::Store(_) => {
                Reason::StorageUnreachable
            }
            Self::Other { .. } | Self::Exists(_) => Reason::ObjectChanged,
        }
    }

    fn field(&self) -> Option<String> {
        let field = match self {
            Self::Key(_) | Self::Other { .. } | Self::Exists(_) => "pathPrefix",
            Self::NoBucket => "bucket",
            Self::Denied(_) | Self::Untrusted(_) => "credentialsSecretRef",
            Self::Elsewhere(_) => "region",
            Self::Diverted(_) | Self::Store(_) => "endpoint",
        };
        Some(format!("spec.source.target.{field}"))
    }

    fn is_passing(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Other { .. } | Self::Exists(_))
    }

    fn next_step(&self, task: &Task) -> String {
        match self {
            Self::Denied(_) | Self::Untrusted(_) => steps::store_secret(task),
            Self::Other { .. } | Self::Exists(_) => steps::list(task),
            _ => anew(task, self.field()),
        }
    }
}
