//! The snapshot on its way from the server into the parts of an upload, with the verifier beside it and no disk.

use crate::buffers::Buffers;
use crate::progress::Progress;
use crate::report::{Fault, anew, fault};
use crate::transfer::longest;
use crate::upload::{Draft, UploadError, part_size};
use api::conditions::Reason;
use api::task::Task;
use archive::{ArchiveError, Summary, Verifier};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::time::timeout;

/// How parts are cut, and how long a server may say nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of a part, unless the object would have too many.
    pub(super) part: u64,
    pub(super) stall: Duration,
}

/// Why no whole snapshot came. What was sent of it is removed again.
#[derive(Debug, Error)]
pub(super) enum CopyError {
    #[error(
        "OpenBao ended the snapshot before it was whole, with an answer that says nothing of it: {0} See the log of the leader: it stepped down, was sealed, or cannot reach its seal. Then try again."
    )]
    EarlyEnd(ArchiveError),
    #[error("{0} See the log of the leader, then try again.")]
    Archive(ArchiveError),
    #[error("The connection to the leader was lost before the snapshot was whole: {0}. Try again.")]
    Broken(String),
    #[error(
        "The leader gave nothing of the snapshot for {} s. See its log and the network, then try again.",
        .0.as_secs()
    )]
    Stalled(Duration),
    #[error(
        "The snapshot has {size} bytes and was not through in {seconds} s, which is 10 min and 5 MiB/s. See whether the server or the store is slow, then try again."
    )]
    Slow { size: u64, seconds: u64 },
    #[error(transparent)]
    Upload(#[from] UploadError),
}

impl From<ArchiveError> for CopyError {
    fn from(error: ArchiveError) -> Self {
        if error.is_early_end() { Self::EarlyEnd(error) } else { Self::Archive(error) }
    }
}

impl Fault for CopyError {
    fn reason(&self) -> Reason {
        match self {
            Self::EarlyEnd(_) | Self::Broken(_) => Reason::SnapshotTruncated,
            Self::Archive(_) => Reason::SnapshotInvalid,
            Self::Stalled(_) | Self::Slow { .. } => Reason::SnapshotStalled,
            Self::Upload(error) => error.reason(),
        }
    }

    fn field(&self) -> Option<String> {
        if let Self::Upload(error) = self { error.field() } else { None }
    }

    fn is_passing(&self) -> bool {
        if let Self::Upload(error) = self { error.is_passing() } else { true }
    }

    fn next_step(&self, task: &Task) -> String {
        if let Self::Upload(error) = self { error.next_step(task) } else { anew(task, None) }
    }
}

/// Copies all of it, and says what it is; the last part is sent only after its last byte was found in order.
pub(super) async fn copy(
    snapshot: impl Stream<Item = reqwest::Result<Bytes>>,
    draft: &mut Draft,
    limits: Limits,
    progress: &Progress,
) -> Result<Summary, CopyError> {
    let mut snapshot = pin!(snapshot);
    let begun = Instant::now();
    let mut verifier = Verifier::new();
    let mut parts = Parts::new(draft, limits.part).await;
    while let Some(piece) =
        timeout(limits.stall, snapshot.next()).await.map_err(|_| CopyError::Stalled(limits.stall))?
    {
        let piece = piece.map_err(|error| CopyError::Broken(fault(error)))?;
        verifier.push(&piece)?;
        if let (None, Some(total)) = (parts.total, verifier.announced()) {
            progress.begin(total);
            parts.expect(total);
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

    fn expect(&mut self, total: u64) {
        self.total = Some(total);
        self.size = part_size(self.size, total);
    }

    /// A server that gives too slowly holds its locks too long.
    fn in_time(&self, passed: Duration) -> Result<(), CopyError> {
        let Some(size) = self.total else { return Ok(()) };
        let limit = longest(size);
        if passed <= limit { Ok(()) } else { Err(CopyError::Slow { size, seconds: limit.as_secs() }) }
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
