//! What the ticket is told while work goes on: how far a transfer is, and which upload has begun.

use api::task::Upload;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch::Sender;

/// Bytes moved, of how many, and the upload that has to be settled; shared by who works and who tells.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    moved: AtomicU64,
    total: AtomicU64,
    upload: Sender<Option<Upload>>,
    told: Sender<Option<Upload>>,
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

    /// An upload has begun; goes on once the ticket says so.
    pub(crate) async fn uploading(&self, upload: Upload) {
        self.upload.send_replace(Some(upload));
        self.all_told().await;
    }

    /// The upload became a backup, or nothing is left of it.
    pub(crate) fn settled(&self) {
        self.upload.send_replace(None);
    }

    /// The upload that has to be settled.
    pub(crate) fn upload(&self) -> Option<Upload> {
        self.upload.borrow().clone()
    }

    /// The ticket was written with this upload.
    pub(crate) fn tell(&self, upload: Option<Upload>) {
        self.told.send_replace(upload);
    }

    /// Waits until the ticket has to be written because of the upload.
    pub(crate) async fn news(&self) {
        let told = self.told.borrow().clone();
        // Its sender lives as long as this.
        let _ = self.upload.subscribe().wait_for(|upload| *upload != told).await;
    }

    async fn all_told(&self) {
        let upload = self.upload();
        let _ = self.told.subscribe().wait_for(|told| *told == upload).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    /// Bug: parts are sent before the ticket names their upload, and nobody finds them after the pod was killed.
    #[tokio::test]
    async fn an_upload_goes_on_only_once_it_was_told() {
        let progress = Progress::default();
        let upload = Upload { key: "k".to_owned(), id: "i".to_owned() };
        assert!(progress.news().now_or_never().is_none());
        let mut uploading = Box::pin(progress.uploading(upload.clone()));
        assert!(uploading.as_mut().now_or_never().is_none());
        progress.news().await;
        progress.tell(None);
        assert!(uploading.as_mut().now_or_never().is_none());
        progress.tell(Some(upload));
        uploading.await;
        assert!(progress.news().now_or_never().is_none());
        progress.settled();
        progress.news().await;
    }
}
