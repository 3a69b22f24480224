//! The end of an upload that did not become a backup: its parts go, and whatever it left under its key.

use super::{UploadError, path};
use crate::storage::StoreFault;
use api::task::Upload;
use archive::keys;
use object_store::aws::AmazonS3;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};

/// The code of a refusal that is about the object, not about who asks.
const ACCESS_DENIED: &str = "AccessDenied";

/// What may stay of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Nothing: it is told to have failed.
    Nothing,
    /// A backup: who began it was ended, maybe after the manifest.
    Backup,
}

/// Aborts the upload, and deletes what it has become unless that may stay.
pub(crate) async fn settle(store: &AmazonS3, upload: &Upload, leave: Leave) -> Result<(), UploadError> {
    let object = path(&upload.key)?;
    let manifest = path(&keys::manifest(&upload.key))?;
    abort(store, &object, &upload.id).await?;
    if leave == Leave::Backup && is_there(store, &manifest).await? {
        return Ok(());
    }
    // The manifest first: without it the object is no backup, whatever happens next.
    for path in [&manifest, &object] {
        if is_there(store, path).await? {
            gone(store.delete(path).await)?;
        }
    }
    Ok(())
}

/// A part that was on its way may come after the first abort, so the store is asked once more. One that refuses a second
/// time does not know the upload any more.
async fn abort(store: &AmazonS3, path: &Path, id: &String) -> Result<(), UploadError> {
    gone(store.abort_multipart(path, id).await)?;
    if let Err(error) = store.abort_multipart(path, id).await {
        tracing::debug!(%error, "the upload is gone");
    }
    Ok(())
}

/// A store says of an upload that it does not know that it is not there, or that it may not be touched. One that does not
/// know the credentials any more has said nothing of the upload.
fn gone(done: Result<(), Error>) -> Result<(), UploadError> {
    match done {
        Ok(()) => Ok(()),
        Err(error) => match StoreFault::from(&error) {
            StoreFault::NotFound => Ok(()),
            StoreFault::Denied(code) if code == ACCESS_DENIED => {
                tracing::warn!(
                    code,
                    "the store refuses to remove what is left; it is gone, or the credentials lack s3:AbortMultipartUpload or s3:DeleteObject"
                );
                Ok(())
            }
            _ => Err(UploadError::of(&error)),
        },
    }
}

async fn is_there(store: &AmazonS3, path: &Path) -> Result<bool, UploadError> {
    match store.head(path).await {
        Ok(_) => Ok(true),
        Err(error) => match StoreFault::from(&error) {
            // Without the right to list the bucket a missing object is a forbidden one.
            StoreFault::NotFound | StoreFault::Denied(_) => Ok(false),
            _ => Err(UploadError::of(&error)),
        },
    }
}
