//! Why an attempt made no backup.

use crate::openbao::OpenBaoError;
use crate::report::{Fault, anew};
use crate::upload::UploadError;
use api::conditions::Reason;
use api::task::Task;
use archive::ArchiveError;
use std::time::Duration;
use thiserror::Error;

/// Why an attempt made no backup. What it has begun in the store is removed again.
#[derive(Debug, Error)]
pub(super) enum BackupError {
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
    OpenBao(#[from] OpenBaoError),
    #[error(transparent)]
    Upload(#[from] UploadError),
}

impl BackupError {
    /// What OpenBao or the store has to say of it.
    const fn cause(&self) -> Option<&dyn Fault> {
        match self {
            Self::OpenBao(error) => Some(error),
            Self::Upload(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ArchiveError> for BackupError {
    fn from(error: ArchiveError) -> Self {
        if error.is_early_end() { Self::EarlyEnd(error) } else { Self::Archive(error) }
    }
}

impl Fault for BackupError {
    fn reason(&self) -> Reason {
        match self {
            Self::EarlyEnd(_) | Self::Broken(_) => Reason::SnapshotTruncated,
            Self::Archive(_) => Reason::SnapshotInvalid,
            Self::Stalled(_) | Self::Slow { .. } => Reason::SnapshotStalled,
            Self::OpenBao(error) => error.reason(),
            Self::Upload(error) => error.reason(),
        }
    }

    fn field(&self) -> Option<String> {
        self.cause()?.field()
    }

    fn is_passing(&self) -> bool {
        self.cause().is_none_or(Fault::is_passing)
    }

    fn next_step(&self, task: &Task) -> String {
        self.cause().map_or_else(|| anew(task, None), |cause| cause.next_step(task))
    }
}
