//! One attempt: from the election to the manifest, under a key of its own.

use super::Work;
use super::error::BackupError;
use super::stream::{Limits, copy};
use crate::dial::Guard;
use crate::openbao::{Cluster, Leader, OpenBaoError, Purpose, Session, elect};
use crate::report::Findings;
use crate::task::snapshot::pace;
use crate::upload::{Draft, UploadError, create};
use api::task::Pinned;
use archive::{Manifest, Summary, keys};
use jiff::Timestamp;
use object_store::ObjectMeta;
use object_store::aws::AmazonS3;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for the next bytes of a snapshot: while it is given, the server holds locks.
const STALL: Duration = Duration::from_mins(1);

/// A backup that stands in the store with its manifest.
pub(super) struct Made {
    pub(super) key: String,
    pub(super) pinned: Pinned,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    pub(super) server_version: Option<String>,
}

/// Where backups come from and go to.
pub(super) struct Site<'a> {
    work: &'a Work<'a>,
    store: &'a Arc<AmazonS3>,
    cluster: Cluster,
}

impl<'a> Site<'a> {
    pub(super) fn open(work: &'a Work<'a>, store: &'a Arc<AmazonS3>) -> Result<Self, OpenBaoError> {
        let folder = work.args.mounts.join("openbao-ca");
        let cluster = Cluster::open(&work.task.cluster, &folder, &Guard::of(work.args))?;
        Ok(Self { work, store, cluster })
    }

    /// Finds the leader, logs in, and backs up. What it has begun in the store is named by the ticket until it is a backup. The
    /// login is ended by whoever gets it: what follows on a backup can no longer undo it.
    pub(super) async fn attempt(&self) -> Result<(Made, Session), Findings> {
        let task = self.work.task;
        // A minority of servers that are down is a reason to have a backup.
        let leader = elect(&self.cluster.look().await, true).map_err(|errors| {
            let mut findings = Findings::default();
            for error in &errors {
                findings.fault(task, error);
            }
            findings
        })?;
        let session = self.log_in(&leader).await.map_err(|error| Findings::told(task, &error))?;
        match self.transfer(&session, leader).await {
            Ok(made) => Ok((made, session)),
            Err(error) => {
                session.end().await;
                Err(Findings::told(task, &error))
            }
        }
    }

    async fn log_in(&self, leader: &Leader) -> Result<Session, OpenBaoError> {
        let node = self.cluster.node(leader.index);
        let node = node.ok_or_else(|| OpenBaoError::NoLeader("it is none of the servers".to_owned()))?;
        let login = self.work.task.login.as_ref().ok_or(OpenBaoError::NoLogin)?;
        Session::begin(node, login, &self.work.args.mounts, Purpose::Backup).await
    }

    async fn transfer(&self, session: &Session, leader: Leader) -> Result<Made, BackupError> {
        let (task, progress, clock) = (self.work.task, self.work.progress, &self.work.clock);
        let started = clock.now();
        let key = keys::backup_key(&task.key, started, chance(&self.work.args.pod_uid, started));
        let pace = pace(&task.target);
        let mut draft = Draft::begin(Arc::clone(self.store), &key, pace.concurrency).await?;
        progress.uploading(draft.upload.clone()).await;
        tracing::info!(key, "the snapshot is asked for");
        let response = session.download().await?;
        let limits = Limits { part: pace.part, stall: STALL };
        let summary = copy(response.bytes_stream(), &mut draft, limits, progress).await?;
        let object = self.commit(draft, &key, &summary, leader.cluster_id).await?;
        progress.settled();
        let pinned = Pinned {
            size: summary.object_size,
            sha256: summary.sha256,
            etag: object.e_tag,
            version: object.version,
        };
        Ok(Made { key, pinned, started, finished: clock.now(), server_version: leader.version })
    }

    /// The object is made of its parts only now that all of it was seen to be in order; with the manifest it is a backup.
    async fn commit(
        &self,
        draft: Draft,
        key: &str,
        summary: &Summary,
        cluster_id: Option<String>,
    ) -> Result<ObjectMeta, UploadError> {
        let object = draft.complete(summary.object_size).await?;
        let manifest = Manifest::of(summary, cluster_id).to_bytes();
        let manifest = manifest.map_err(|error| UploadError::Store(error.to_string()))?;
        create(self.store, &keys::manifest(key), manifest).await?;
        Ok(object)
    }
}

/// Four bytes that no other backup of this second has: no two pods have one UID, and no pod begins twice in a nanosecond.
fn chance(pod: &str, at: Timestamp) -> [u8; 4] {
    let digest = Sha256::digest(format!("{pod} {}", at.as_nanosecond()));
    std::array::from_fn(|index| digest[index])
}
