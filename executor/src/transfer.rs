//! Reads one object whole, in ranges, and only the one that it was at the beginning.

use crate::buffers::Buffers;
use crate::progress::Progress;
use crate::report::{Fault, anew, told};
use crate::steps;
use crate::storage::{self, StoreFault};
use api::conditions::Reason;
use api::task::{Pinned, Task};
use archive::{ArchiveError, Summary, Verifier};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore};
use plan::proof::SLOWEST;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;

/// Time for every transfer, whatever its size.
const BASE: Duration = Duration::from_mins(10);

/// Longest time for a transfer of this many bytes.
pub(crate) const fn longest(size: u64) -> Duration {
    BASE.saturating_add(Duration::from_secs(size / SLOWEST))
}

/// Why an object was not read, or is no snapshot. Nothing was changed.
#[derive(Debug, Error)]
pub(crate) enum TransferError {
    #[error(
        "The key {0:?} cannot be the key of an object. Create a new request with the full key, as the store lists it."
    )]
    Key(String),
    #[error(
        "There is no object {0:?} in the bucket. List the bucket, and create a new request with a key that is there."
    )]
    NotFound(String),
    #[error(
        "The bucket does not exist. Create a new request with the name of the bucket that holds the snapshot."
    )]
    NoBucket,
    #[error("The object is empty. Choose another snapshot.")]
    Empty,
    #[error(
        "The store refuses the credentials, or they may not read the object: {0}. Correct the Secret or its policy (s3:GetObject; with s3:ListBucket a missing object is told from a forbidden one), then create a new request."
    )]
    Denied(String),
    #[error(
        "The bucket is in another region or behind another endpoint: {0}. Create a new request with the right ones; redirects are not followed."
    )]
    Elsewhere(String),
    #[error(
        "The store gives no ETag for the object, so it cannot be held to be the same from the first byte to the last. Use a store that gives one."
    )]
    NoEtag,
    #[error(
        "The object was replaced while it was read. Create a new request once nothing writes to this key any more."
    )]
    Replaced,
    #[error(
        "The object has {size} bytes and was not read in {seconds} s, which is 10 min and 5 MiB/s. See why the store is slow, then create a new request."
    )]
    Slow { size: u64, seconds: u64 },
    #[error("Nothing was sent to the store: {0}. Create a new request with the endpoint of the store.")]
    Diverted(String),
    #[error(
        "The certificate of the store is not trusted: {0}. Put the PEM of its authority into key caCert of the Secret, then create a new request."
    )]
    Untrusted(String),
    #[error(
        "The store could not be read: {0}. See that it runs, that this namespace may reach it, and whether it wants usePathStyle: true, then create a new request."
    )]
    Store(String),
    #[error(
        "The object has SHA-256 {found}, the request says {expected}. Find out which is right, then create a new request."
    )]
    OtherDigest { expected: String, found: String },
    #[error(
        "The object is not the one that was checked: it has {} bytes and SHA-256 {}, and had {} and {}, or its ETag or version is another one. Create a new request once nothing writes to this key any more.",
        found.size, found.sha256, checked.size, checked.sha256
    )]
    OtherObject { found: Box<Pinned>, checked: Box<Pinned> },
    #[error(
        "The snapshot could not be kept in the staging volume: {0}. See that the node has room for it, then create a new request."
    )]
    Staging(#[from] std::io::Error),
    #[error("{0} Choose another snapshot.")]
    Archive(#[from] ArchiveError),
    #[error(
        "The snapshot is not what its manifest {key:?} says: {fault}. One of the two was replaced or damaged: choose another snapshot, or mend the manifest if you know better, then create a new request."
    )]
    Manifest { key: String, fault: String },
}

impl Fault for TransferError {
    fn reason(&self) -> Reason {
        match self {
            Self::Key(_) | Self::NotFound(_) | Self::NoBucket => Reason::SnapshotNotFound,
            Self::Empty | Self::Archive(_) => Reason::SnapshotInvalid,
            Self::Denied(_) => Reason::StorageDenied,
            Self::Replaced | Self::OtherObject { .. } => Reason::ObjectChanged,
            Self::OtherDigest { .. } => Reason::DigestMismatch,
            Self::Elsewhere(_) | Self::NoEtag | Self::Slow { .. } | Self::Untrusted(_) | Self::Store(_) => {
                Reason::StorageUnreachable
            }
            Self::Diverted(_) => Reason::SpecRefused,
            Self::Staging(_) => Reason::JobFailed,
            Self::Manifest { .. } => Reason::ManifestMismatch,
        }
    }

    fn field(&self) -> Option<String> {
        let field = match self {
            Self::Key(_)
            | Self::NotFound(_)
            | Self::Empty
            | Self::Replaced
            | Self::OtherObject { .. }
            | Self::Archive(_)
            | Self::Manifest { .. } => "key",
            Self::OtherDigest { .. } => "sha256",
            Self::NoBucket => "target.bucket",
            Self::Denied(_) | Self::Untrusted(_) => "target.credentialsSecretRef",
            Self::Elsewhere(_) => "target.region",
            Self::NoEtag | Self::Slow { .. } | Self::Diverted(_) | Self::Store(_) => "target.endpoint",
            Self::Staging(_) => return None,
        };
        Some(format!("spec.source.{field}"))
    }

    fn is_passing(&self) -> bool {
        matches!(self, Self::Replaced | Self::Slow { .. } | Self::Store(_) | Self::Staging(_))
    }

    fn next_step(&self, task: &Task) -> String {
        match self {
            Self::Key(_) | Self::NotFound(_) | Self::NoBucket | Self::Empty | Self::Archive(_) => {
                steps::list(task)
            }
            Self::Replaced | Self::OtherObject { .. } => steps::list(task),
            Self::Denied(_) | Self::Untrusted(_) => steps::store_secret(task),
            Self::OtherDigest { .. } => steps::print(task, &task.key, " | sha256sum"),
            Self::Manifest { key, .. } => steps::print(task, key, ""),
            Self::Elsewhere(_)
            | Self::NoEtag
            | Self::Slow { .. }
            | Self::Diverted(_)
            | Self::Store(_)
            | Self::Staging(_) => anew(task, self.field()),
        }
    }
}

/// How to read: bytes of one range, and ranges in memory at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) part: u64,
    pub(crate) concurrency: usize,
}

/// What one object is, as long as it is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    size: u64,
    etag: Option<String>,
    version: Option<String>,
}

/// Reads the whole object through the verifier, and into `copy`.
pub(crate) async fn verify(
    store: Arc<dyn ObjectStore>,
    key: &str,
    pace: Pace,
    progress: &Progress,
    mut copy: impl Write,
) -> Result<(Pinned, Summary), TransferError> {
    let mut verifier = Verifier::new();
    let sink = |bytes: &[u8]| {
        verifier.push(bytes)?;
        Ok(copy.write_all(bytes)?)
    };
    let Identity { size, etag, version } = read(store, key, pace, progress, sink).await?;
    copy.flush()?;
    let summary = verifier.finish()?;
    Ok((Pinned { size, sha256: summary.sha256.clone(), etag, version }, summary))
}

/// Reads the whole object into `sink`, in order. It is pinned by the first range: every other one asks for its `ETag`, and
/// is held against it again, since some stores do not look at the question.
async fn read(
    store: Arc<dyn ObjectStore>,
    key: &str,
    pace: Pace,
    progress: &Progress,
    mut sink: impl FnMut(&[u8]) -> Result<(), TransferError>,
) -> Result<Identity, TransferError> {
    let reader = Reader::open(store, key)?;
    // One more than is in flight: what is read goes into the sink meanwhile.
    let buffers = Buffers::new(pace.concurrency + 1);
    let (object, bytes) = reader.range(0..pace.part, None, buffers.take().await).await?;
    let etag = object.etag.clone().ok_or(TransferError::NoEtag)?;
    progress.begin(object.size);
    progress.add(bytes.len());
    sink(&bytes)?;
    let starts = (bytes.len() as u64..object.size).step_by(usize::try_from(pace.part).unwrap_or(usize::MAX));
    buffers.give(bytes);
    let size = object.size;
    let mut parts = stream::iter(starts)
        .map(|start| {
            let (reader, etag, buffers) = (reader.clone(), etag.clone(), Arc::clone(&buffers));
            let range = start..size.min(start + pace.part);
            AbortOnDropHandle::new(tokio::spawn(async move {
                reader.range(range, Some(etag), buffers.take().await).await
            }))
        })
        .buffered(pace.concurrency);
    let limit = longest(size);
    let rest = async {
        while let Some(part) = parts.next().await {
            let (same, bytes) = part.map_err(|error| TransferError::Store(told(&error)))??;
            if same != object {
                return Err(TransferError::Replaced);
            }
            progress.add(bytes.len());
            sink(&bytes)?;
            buffers.give(bytes);
        }
        Ok(())
    };
    tokio::time::timeout(limit, rest)
        .await
        .map_err(|_| TransferError::Slow { size, seconds: limit.as_secs() })??;
    Ok(object)
}

/// The bytes of a small object; none if there is no such object that these credentials may read.
pub(crate) async fn read_small(
    store: Arc<dyn ObjectStore>,
    key: &str,
    most: u64,
) -> Result<Option<Vec<u8>>, TransferError> {
    match Reader::open(store, key)?.range(0..most, None, Vec::new()).await {
        Ok((object, bytes)) if object.size == bytes.len() as u64 => Ok(Some(bytes)),
        Ok((object, _)) => Err(TransferError::Manifest {
            key: key.to_owned(),
            fault: format!("it has {} bytes, and a manifest at most {most}", object.size),
        }),
        Err(TransferError::Empty) => Ok(Some(Vec::new())),
        // Without the right to list the bucket a missing object is a forbidden one.
        Err(TransferError::NotFound(_) | TransferError::Denied(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Clone)]
struct Reader {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

impl Reader {
    fn open(store: Arc<dyn ObjectStore>, key: &str) -> Result<Self, TransferError> {
        let path = storage::path(key).ok_or_else(|| TransferError::Key(key.to_owned()))?;
        Ok(Self { store, path })
    }

    /// One range of the object into `buffer`, if it is (still) the one with this `ETag`, and what the object is.
    async fn range(
        &self,
        range: Range<u64>,
        etag: Option<String>,
        mut buffer: Vec<u8>,
    ) -> Result<(Identity, Vec<u8>), TransferError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: etag,
            ..GetOptions::default()
        };
        let answer = self.store.get_opts(&self.path, options).await.map_err(|error| self.fault(&error))?;
        let object = Identity {
            size: answer.meta.size,
            etag: answer.meta.e_tag.clone(),
            version: answer.meta.version.clone(),
        };
        let expected = range.end.min(object.size).saturating_sub(range.start);
        let wrong = |came| TransferError::Store(format!("a range of {expected} bytes came with {came}"));
        buffer.reserve_exact(usize::try_from(expected).unwrap_or_default());
        let mut pieces = answer.into_stream();
        while let Some(piece) = pieces.try_next().await.map_err(|error| self.fault(&error))? {
            if (buffer.len() + piece.len()) as u64 > expected {
                return Err(wrong("more".to_owned()));
            }
            buffer.extend_from_slice(&piece);
        }
        if buffer.len() as u64 == expected {
            Ok((object, buffer))
        } else {
            Err(wrong(buffer.len().to_string()))
        }
    }

    /// What an error of the store means for the request.
    fn fault(&self, error: &Error) -> TransferError {
        match StoreFault::from(error) {
            StoreFault::Diverted(text) => TransferError::Diverted(text),
            StoreFault::NoBucket => TransferError::NoBucket,
            StoreFault::Empty => TransferError::Empty,
            StoreFault::Elsewhere(text) => TransferError::Elsewhere(text),
            StoreFault::Denied(code) => TransferError::Denied(code),
            StoreFault::NotFound => TransferError::NotFound(self.path.to_string()),
            StoreFault::Condition => TransferError::Replaced,
            StoreFault::Unable => TransferError::Store(error.to_string()),
            StoreFault::Untrusted(text) => TransferError::Untrusted(text),
            StoreFault::Other(text) => TransferError::Store(text),
        }
    }
}

#[cfg(test)]
mod tests;
