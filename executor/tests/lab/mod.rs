//! The executor as a process, and all that it talks to: an API server with one Lease, a store with one object, one that
//! takes backups, and a server of OpenBao that gives a snapshot, takes one and forgets the marker.

#![expect(dead_code, reason = "the tests need other parts of it than the bench")]

mod bao;
mod bucket;
mod kubernetes;
pub(crate) mod process;
mod serve;
mod snapshot;
mod store;

pub(crate) use bao::Bao;
pub(crate) use bucket::Bucket;
pub(crate) use kubernetes::Kubernetes;
pub(crate) use process::{Ended, Executor};
pub(crate) use serve::Authority;
pub(crate) use snapshot::write_snapshot;
pub(crate) use store::Store;

use api::StorageTarget;
use api::task::{
    BackupOrder, Checked, Claim, Identity, Login, Origin, Pinned, Proof, Request, Servers, SnapshotMarker,
    Task, TaskKind, Ticket, WIRE_VERSION,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Everything, and folders for a pod.
pub(crate) struct Lab {
    pub(crate) kubernetes: Kubernetes,
    pub(crate) store: Store,
    pub(crate) bucket: Bucket,
    pub(crate) bao: Bao,
    pub(crate) folder: TempDir,
}

impl Lab {
    /// A lab whose one object is this file. With TLS the store and OpenBao have it too, as the API server always does.
    pub(crate) async fn start(object: &Path, tls: bool) -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for path in
            ["account", "mounts/storage", "mounts/openbao-ca", "mounts/token", "staging", "bucket/snapshots"]
        {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        for (path, text) in [
            ("account/token", "token"),
            ("account/ca.crt", authority.pem.as_str()),
            ("mounts/storage/accessKeyId", "id"),
            ("mounts/storage/secretAccessKey", "key"),
            ("mounts/storage/caCert", authority.pem.as_str()),
            ("mounts/openbao-ca/ca.crt", authority.pem.as_str()),
            ("mounts/token/token", "s.t"),
        ] {
            std::fs::write(folder.path().join(path), text).unwrap();
        }
        let maybe = tls.then_some(&authority);
        Self {
            kubernetes: Kubernetes::start(&authority).await,
            store: Store::start(object, maybe).await,
            bucket: Bucket::start(&folder.path().join("bucket"), maybe).await,
            bao: Bao::start(object, maybe).await,
            folder,
        }
    }

    /// A path in the folder of the pod.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn task(&self, kind: TaskKind) -> Task {
        Task {
            v: WIRE_VERSION,
            kind,
            request: Request { namespace: "n".to_owned(), name: "a".to_owned(), uid: "uid".to_owned() },
            ticket: Ticket { name: "ticket".to_owned(), uid: "ticket-uid".to_owned() },
            not_after: Time(Timestamp::MAX),
            target: self.target(),
            key: "a.snap".to_owned(),
            sha256: None,
            cluster: Servers {
                addresses: vec![self.bao.address.clone()],
                replicas: 1,
                tls_server_name: None,
            },
            login: Some(Login::Token { key: "token".to_owned() }),
            force: false,
            pinned: None,
            origin: None,
            checked: None,
            proof: None,
            backup: None,
        }
    }

    pub(crate) fn backup(&self, order: BackupOrder) -> Task {
        let mut task = Task { backup: Some(order), ..self.task(TaskKind::Backup) };
        task.target.endpoint = Some(self.bucket.address.clone());
        "n/a/".clone_into(&mut task.key);
        task
    }

    pub(crate) fn restore(&self, pinned: Pinned) -> Task {
        let expires = Time(Timestamp::now() + SignedDuration::from_hours(24));
        let token = bao::IN_SNAPSHOT.to_owned();
        let marker = SnapshotMarker { token, created: Time(Timestamp::now()), expires };
        let identity =
            Identity { cluster_id: bao::CLUSTER.to_owned(), active_time: String::new(), raft_index: 1 };
        let checked = Checked { identity, marker: bao::OF_CHECK.to_owned(), at: Time(Timestamp::now()) };
        Task {
            pinned: Some(pinned),
            origin: Some(Origin { cluster_id: bao::CLUSTER.to_owned(), marker }),
            checked: Some(checked),
            ..self.task(TaskKind::Restore)
        }
    }

    pub(crate) fn prove(&self, claim: Claim) -> Task {
        let proof = Some(Proof { claim, answer: None, nothing_on_its_way: false });
        Task { login: None, proof, ..self.task(TaskKind::Prove) }
    }

    /// Starts the executor with a Task.
    pub(crate) fn run(&self, task: &Task) -> Executor {
        Executor::start(self.folder.path(), self.kubernetes.port, &serde_json::to_string(task).unwrap())
    }

    fn target(&self) -> StorageTarget {
        serde_json::from_value(serde_json::json!({
            "endpoint": self.store.address, "bucket": "snapshots", "usePathStyle": true,
            "credentialsSecretRef": {"name": "storage"},
        }))
        .unwrap()
    }
}
