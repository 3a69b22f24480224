//! One attempt: from the election to the manifest, under a key of its own.

use super::Work;
use super::error::BackupError;
use super::stream::{Limits, copy};
use crate::dial::Guard;
use crate::openbao::{Cluster, Leader, Node, OpenBaoError, Purpose, Session};
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
    /// What a reader should know of its marker.
    pub(super) remark: Option<String>,
}

/// Where backups come from and go to.
pub(super) struct Site<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) store: &'a Arc<AmazonS3>,
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
        let (leader, node) = self.leader().await.map_err(|errors| {
            let mut findings = Findings::default();
            for error in &errors {
                findings.fault(task, error);
            }
            findings
        })?;
        let session = self.log_in(node).await.map_err(|error| Findings::told(task, &error))?;
        match self.transfer(&session, leader).await {
            Ok(made) => Ok((made, session)),
            Err(error) => {
                session.end().await;
                Err(Findings::told(task, &error))
            }
        }
    }

    /// Who leads now. A minority of servers that are down is a reason to have a backup.
    pub(super) async fn leader(&self) -> Result<(Leader, &Node), Vec<OpenBaoError>> {
        let servers = &self.work.task.cluster;
        let (have, need) = (servers.addresses.len(), servers.replicas);
        // Behind fewer addresses than servers there is a leader for some connections, and none for others.
        let leader = self.cluster.elect(true).await.map_err(|errors| {
            if have < need { vec![OpenBaoError::AddressMissing { have, need }] } else { errors }
        })?;
        let node = self.cluster.node(leader.index);
        let node =
            node.ok_or_else(|| vec![OpenBaoError::NoLeader("it is none of the servers".to_owned())])?;
        Ok((leader, node))
    }

    async fn log_in(&self, node: &Node) -> Result<Session, OpenBaoError> {
        let login = self.work.task.login.as_ref().ok_or(OpenBaoError::NoLogin)?;
        Session::begin(node, login, &self.work.args.mounts, Purpose::Backup).await
    }

    async fn transfer(&self, session: &Session, leader: Leader) -> Result<Made, BackupError> {
        let (task, progress, clock) = (self.work.task, self.work.progress, &self.work.clock);
        let started = clock.now();
        let key = keys::backup_key(&task.key, started, chance(&self.work.args.pod_uid, started));
        let pace = pace(&task.target);
        let mut draft = Draft::begin(Arc::clone(self.store), &key, pace.concurrency).await?;
        progress.begun(|left| left.upload = Some(draft.upload.clone())).await;
        let minted = self.mint(session, &leader).await;
        tracing::info!(key, "the snapshot is asked for");
        let copied = self.download(session, &mut draft, pace.part).await;
        // Whatever became of the snapshot, nothing but it may have the marker.
        let consumed = self.consume().await;
        let summary = copied?;
        let (marker, remark) = self.judge(minted, &consumed, summary.index);
        let manifest = Manifest::of(&summary, leader.cluster_id, marker);
        let object = self.commit(draft, &key, &manifest).await?;
        progress.change(|left| left.upload = None);
        let pinned = Pinned {
            size: summary.object_size,
            sha256: summary.sha256,
            etag: object.e_tag,
            version: object.version,
        };
        Ok(Made { key, pinned, started, finished: clock.now(), server_version: leader.version, remark })
    }

    async fn download(
        &self,
        session: &Session,
        draft: &mut Draft,
        part: u64,
    ) -> Result<Summary, BackupError> {
        let response = session.download().await?;
        let limits = Limits { part, stall: STALL };
        copy(response.bytes_stream(), draft, limits, self.work.progress).await
    }

    /// The object is made of its parts only now that all of it was seen to be in order; with the manifest it is a backup.
    async fn commit(&self, draft: Draft, key: &str, manifest: &Manifest) -> Result<ObjectMeta, UploadError> {
        let object = draft.complete(manifest.size).await?;
        let manifest = manifest.to_bytes().map_err(|error| UploadError::Store(error.to_string()))?;
        create(self.store, &keys::manifest(key), manifest).await?;
        Ok(object)
    }
}

/// Four bytes that no other backup of this second has: no two pods have one UID, and no pod begins twice in a nanosecond.
fn chance(pod: &str, at: Timestamp) -> [u8; 4] {
    let digest = Sha256::digest(format!("{pod} {}", at.as_nanosecond()));
    std::array::from_fn(|index| digest[index])
}
