//! The whole reader: bytes of the object in, a summary or the first thing that is wrong out.

use crate::buffer::hex;
use crate::content::Content;
use crate::error::ArchiveError;
use crate::gzip::Gunzip;
use crate::summary::Summary;
use crate::tail::LONGEST;
use crate::tar::Untar;
use sha2::{Digest, Sha256};

/// Reads one object, pushed in pieces of any size. What it found wrong once stays wrong.
pub struct Verifier {
    object_size: u64,
    object_digest: Sha256,
    gunzip: Gunzip,
    untar: Untar,
    content: Content,
    broken: Option<ArchiveError>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// A reader that has seen nothing yet. It holds less than a MiB, and never more.
    #[must_use]
    pub fn new() -> Self {
        Self {
            object_size: 0,
            object_digest: Sha256::new(),
            gunzip: Gunzip::new(),
            untar: Untar::new(),
            content: Content::new(),
            broken: None,
        }
    }

    /// Reads the next bytes of the object.
    ///
    /// # Errors
    /// The first thing that is wrong, as soon as it is seen.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.object_size += bytes.len() as u64;
        self.object_digest.update(bytes);
        let (untar, content) = (&mut self.untar, &mut self.content);
        let read = self.gunzip.push(bytes, |plain| {
            untar.push(plain, content)?;
            Ok(untar.left_of_state())
        });
        let read = read.and_then(|()| self.check_tail());
        self.broken = read.as_ref().err().cloned();
        read
    }

    /// A sender holds the tail back in memory and sends it at one go: it has to be short.
    fn check_tail(&self) -> Result<(), ArchiveError> {
        let bytes = self.gunzip.tail().map_or(0, |tail| self.object_size - tail);
        if bytes > LONGEST { Err(ArchiveError::LongTail { bytes, limit: LONGEST }) } else { Ok(()) }
    }

    /// Bytes that the object will have if OpenBao 2.6 or later writes it, known after its first kilobyte; an older one
    /// compresses, and then it is more than comes.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.content.announced()
    }

    /// The object has ended.
    ///
    /// # Errors
    /// When it is not a whole snapshot whose parts agree.
    pub fn finish(self) -> Result<Summary, ArchiveError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let tail = self.gunzip.finish(self.untar.expected())?;
        self.untar.finish()?;
        let agreed = self.content.finish()?;
        let (barrier_keys_sha256, seal) = agreed.inventory.required()?;
        Ok(Summary {
            object_size: self.object_size,
            tail,
            sha256: hex(&self.object_digest.finalize()),
            id: agreed.meta.id,
            index: agreed.meta.index,
            term: agreed.meta.term,
            state_size: agreed.meta.size,
            records: agreed.records,
            newest_version: agreed.inventory.newest_version,
            unreadable_version: agreed.inventory.unreadable_version,
            barrier_keys_sha256,
            seal,
            meta: agreed.meta_bytes,
            sealed: agreed.sealed,
        })
    }
}

#[cfg(test)]
mod tail;
#[cfg(test)]
mod tests;
