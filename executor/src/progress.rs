//! How far a transfer is.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes moved, of how many; shared by who moves them and who tells.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    moved: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// A transfer of `total` bytes begins.
    pub(crate) fn begin(&self, total: u64) {
        self.moved.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The value of the annotation `openbao.org/progress`, once something began.
    pub(crate) fn text(&self) -> Option<String> {
        let total = self.total.load(Ordering::Relaxed);
        (total > 0).then(|| format!("{}/{total}", self.moved.load(Ordering::Relaxed)))
    }
}
