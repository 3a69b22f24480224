//! One object that comes into the store part by part, and is there only once it is complete.

mod error;
mod settle;

pub(crate) use error::UploadError;
pub(crate) use settle::{Leave, settle};

use crate::storage::{self, StoreFault};
use api::task::Upload;
use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Most parts of an upload: what S3 allows.
const MOST_PARTS: u64 = 10_000;
/// Sizes of parts are whole MiB.
const MIB: u64 = 1024 * 1024;

/// Bytes of each part of an object of `total` bytes: as wished, unless so many parts are not allowed.
pub(crate) const fn part_size(wished: u64, total: u64) -> u64 {
    if total.div_ceil(wished) <= MOST_PARTS {
        wished
    } else {
        total.div_ceil(MOST_PARTS).next_multiple_of(MIB)
    }
}

/// An upload that is not complete.
pub(crate) struct Draft {
    store: Arc<AmazonS3>,
    path: Path,
    pub(crate) upload: Upload,
    /// Parts that are sent at once.
    pub(crate) concurrency: usize,
    flying: JoinSet<(usize, Result<PartId, Error>)>,
    landed: Vec<Option<PartId>>,
}

impl Draft {
    /// Begins an upload, whose parts are sent so many at once.
    pub(crate) async fn begin(
        store: Arc<AmazonS3>,
        key: &str,
        concurrency: usize,
    ) -> Result<Self, UploadError> {
        let path = path(key)?;
        let id = store.create_multipart(&path).await.map_err(|error| UploadError::of(&error))?;
        let upload = Upload { key: key.to_owned(), id };
        Ok(Self { store, path, upload, concurrency, flying: JoinSet::new(), landed: Vec::new() })
    }

    /// Sends the next part. Returns when it is on its way, which waits for others that are.
    pub(crate) async fn put(&mut self, part: Bytes) -> Result<(), UploadError> {
        while self.flying.len() >= self.concurrency {
            self.land().await?;
        }
        let (store, path, id) = (Arc::clone(&self.store), self.path.clone(), self.upload.id.clone());
        let index = self.landed.len();
        self.landed.push(None);
        self.flying.spawn(async move {
            (index, store.put_part(&path, &id, index, PutPayload::from_bytes(part)).await)
        });
        Ok(())
    }

    async fn land(&mut self) -> Result<(), UploadError> {
        let Some(landed) = self.flying.join_next().await else { return Ok(()) };
        let (index, part) = landed.map_err(|error| UploadError::Store(error.to_string()))?;
        self.landed[index] = Some(part.map_err(|error| UploadError::of(&error))?);
        Ok(())
    }

    /// Makes the object of all parts, and sees that it is there as it was sent. A lost or unclear answer is no verdict:
    /// what the store has under the key is.
    pub(crate) async fn complete(mut self, size: u64) -> Result<ObjectMeta, UploadError> {
        while !self.flying.is_empty() {
            self.land().await?;
        }
        let parts = self.landed.into_iter().flatten().collect();
        let completed = self.store.complete_multipart(&self.path, &self.upload.id, parts).await;
        let found = match (self.store.head(&self.path).await, &completed) {
            (Ok(found), _) => found,
            (Err(_), Err(error)) => return Err(UploadError::of(error)),
            (Err(error), Ok(_)) => return Err(UploadError::of(&error)),
        };
        let made = completed.ok().and_then(|made| made.e_tag).unwrap_or_default();
        if is_same(&made, found.e_tag.as_deref().unwrap_or_default()) && found.size == size {
            return Ok(found);
        }
        Err(UploadError::Other { key: self.upload.key, sent: size, found: found.size })
    }
}

/// Whether an object can be the one that was made. Stores leave the quotes out in one of the two answers, or an `ETag` at all
/// (older Ceph).
fn is_same(made: &str, found: &str) -> bool {
    let bare = |etag: &str| etag.trim_start_matches("W/").trim_matches('"').to_owned();
    bare(made).is_empty() || bare(made) == bare(found)
}

/// Writes a small object where there is none. One that is there already with these bytes is this one: an answer was lost.
pub(crate) async fn create(store: &AmazonS3, key: &str, bytes: Vec<u8>) -> Result<(), UploadError> {
    let path = path(key)?;
    let bytes = Bytes::from(bytes);
    let options = PutOptions::from(PutMode::Create);
    let Err(error) = store.put_opts(&path, PutPayload::from_bytes(bytes.clone()), options).await else {
        return Ok(());
    };
    if StoreFault::from(&error) == StoreFault::Unable {
        // It knows no conditions. The key has a second and 32 bits of chance in it.
        let put = store.put(&path, PutPayload::from_bytes(bytes)).await;
        return put.map(drop).map_err(|error| UploadError::of(&error));
    }
    let there = async { store.get(&path).await?.bytes().await };
    match there.await {
        Ok(there) if there == bytes => Ok(()),
        Ok(_) => Err(UploadError::Exists(key.to_owned())),
        Err(_) => Err(UploadError::of(&error)),
    }
}

fn path(key: &str) -> Result<Path, UploadError> {
    storage::path(key).ok_or_else(|| UploadError::Key(key.to_owned()))
}

#[cfg(test)]
mod tests;
