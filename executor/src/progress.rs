//! What the ticket is told while work goes on: how far a transfer is, and what has begun that has to be settled.

use api::task::{Answered, SnapshotMarker, Upload};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch::Sender;

/// What is left to settle if this pod is killed now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// One that is no backup yet.
    pub(crate) upload: Option<Upload>,
    /// Those that may live in the cluster.
    pub(crate) markers: Vec<SnapshotMarker>,
    /// How a POST ended that may have been applied.
    pub(crate) answer: Option<Answered>,
}

/// Bytes moved, of how many, and what has to be settled; shared by who works and who tells.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    moved: AtomicU64,
    total: AtomicU64,
    left: Sender<Left>,
    told: Sender<Left>,
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

    /// Something has begun; goes on once the ticket says so.
    pub(crate) async fn begun(&self, change: impl FnOnce(&mut Left)) {
        self.left.send_modify(change);
        let left = self.left();
        // Its sender lives as long as this.
        let _ = self.told.subscribe().wait_for(|told| *told == left).await;
    }

    /// Something was settled, or another ticket named it before: nobody has to wait for this one.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Left)) {
        self.left.send_modify(change);
    }

    /// What has to be settled.
    pub(crate) fn left(&self) -> Left {
        self.left.borrow().clone()
    }

    /// The ticket was written with this.
    pub(crate) fn tell(&self, left: Left) {
        self.told.send_replace(left);
    }

    /// Waits until the ticket has to be written because of what is left.
    pub(crate) async fn news(&self) {
        let told = self.told.borrow().clone();
        let _ = self.left.subscribe().wait_for(|left| *left != told).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    /// Bug: parts are sent, or a snapshot is asked for, before the ticket names the upload and the marker, and nobody finds
    /// them after the pod was killed.
    #[tokio::test]
    async fn what_has_begun_goes_on_only_once_it_was_told() {
        let time = Time(Timestamp::UNIX_EPOCH);
        let upload = Upload { key: "k".to_owned(), id: "i".to_owned() };
        let marker = SnapshotMarker { token: "s.m".to_owned(), created: time.clone(), expires: time };
        for left in [
            Left { upload: Some(upload), ..Left::default() },
            Left { markers: vec![marker], ..Left::default() },
        ] {
            let progress = Progress::default();
            assert!(progress.news().now_or_never().is_none());
            let mut begun = Box::pin(progress.begun(|now| now.clone_from(&left)));
            assert!(begun.as_mut().now_or_never().is_none());
            progress.news().await;
            progress.tell(Left::default());
            assert!(begun.as_mut().now_or_never().is_none());
            progress.tell(left.clone());
            begun.await;
            assert!(progress.news().now_or_never().is_none());
            progress.change(|left| *left = Left::default());
            progress.news().await;
        }
    }
}
