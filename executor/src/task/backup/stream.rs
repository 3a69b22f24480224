//! The snapshot on its way from the server into the parts of an upload, with the verifier beside it and no disk.

use super::error::BackupError;
use crate::buffers::Buffers;
use crate::progress::Progress;
use crate::report::fault;
use crate::transfer::longest;
use crate::upload::{Draft, UploadError, part_size};
use archive::{Summary, Verifier};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How parts are cut, and how long a server may say nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of a part, unless the object would have too many.
    pub(super) part: u64,
    pub(super) stall: Duration,
}

/// Copies all of it, and says what it is; the last part is sent only after its last byte was found in order.
pub(super) async fn copy(
    snapshot: impl Stream<Item = reqwest::Result<Bytes>>,
    draft: &mut Draft,
    limits: Limits,
    progress: &Progress,
) -> Result<Summary, BackupError> {
    let mut snapshot = pin!(snapshot);
    let begun = Instant::now();
    let mut verifier = Verifier::new();
    let mut parts = Parts::new(draft, limits.part).await;
    while let Some(piece) =
        timeout(limits.stall, snapshot.next()).await.map_err(|_| BackupError::Stalled(limits.stall))?
    {
        let piece = piece.map_err(|error| BackupError::Broken(fault(error)))?;
        verifier.push(&piece)?;
        if let (None, Some(total)) = (parts.total, verifier.announced()) {
            progress.begin(total);
            parts.announce(total);
        }
        progress.add(piece.len());
        parts.push(&piece).await?;
        parts.in_time(begun.elapsed())?;
    }
    let summary = verifier.finish()?;
    parts.finish().await?;
    Ok(summary)
}

/// Cuts what comes into parts, in buffers that come back.
struct Parts<'a> {
    draft: &'a mut Draft,
    buffers: Arc<Buffers>,
    buffer: Vec<u8>,
    size: u64,
    total: Option<u64>,
}

impl<'a> Parts<'a> {
    async fn new(draft: &'a mut Draft, size: u64) -> Self {
        // One more than is in flight: that which is filled.
        let buffers = Buffers::new(draft.concurrency + 1);
        Self { buffer: buffers.take().await, draft, buffers, size, total: None }
    }

    fn announce(&mut self, total: u64) {
        self.total = Some(total);
        self.size = part_size(self.size, total);
    }

    /// A server that gives too slowly holds its locks too long.
    fn in_time(&self, passed: Duration) -> Result<(), BackupError> {
        let Some(size) = self.total else { return Ok(()) };
        let limit = longest(size);
        if passed <= limit { Ok(()) } else { Err(BackupError::Slow { size, seconds: limit.as_secs() }) }
    }

    async fn push(&mut self, mut piece: &[u8]) -> Result<(), UploadError> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        while !piece.is_empty() {
            if self.buffer.capacity() == 0 {
                self.buffer.reserve_exact(size);
            }
            let (now, later) = piece.split_at(piece.len().min(size - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            piece = later;
            if self.buffer.len() == size {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), UploadError> {
        let full = std::mem::take(&mut self.buffer);
        self.draft.put(self.buffers.lend(full)).await?;
        self.buffer = self.buffers.take().await;
        Ok(())
    }

    async fn finish(self) -> Result<(), UploadError> {
        if self.buffer.is_empty() { Ok(()) } else { self.draft.put(self.buffers.lend(self.buffer)).await }
    }
}
