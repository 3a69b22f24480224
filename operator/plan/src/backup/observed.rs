//! What was read of the world before planning; nothing in it comes from a watch cache.

use super::Step;
use super::ledger::{Attempt, Ledger};
use crate::lock::{self, Foreign};
use crate::restore::{JobSeen, Run};
use api::lock::Holder;
use api::task::{SnapshotMarker, Upload};
use api::{BackupSpec, BackupStatus, OpenBaoCluster, Operation, OperationLock, names};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::CronJobSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A cluster and all that concerns its backups.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The cluster.
    pub cluster: OpenBaoCluster,
    /// What this installation gives where the cluster says nothing.
    pub installation: Installation,
    /// Whether its namespace is going away.
    pub namespace_terminating: bool,
    /// The `CronJob` of its backups.
    pub cron_job: Option<CronJobSeen>,
    /// Jobs that are labelled as its backups.
    pub jobs: Vec<BackupJob>,
    /// Job, ticket, rights and pods of [`Observed::work`].
    pub run: Run,
    /// What there is under the name of [`Observed::work`], for whomever it was made.
    pub companions: Vec<Companion>,
    /// The upload that the ticket of [`Observed::work`] names.
    pub upload: Option<Upload>,
    /// The markers that it names.
    pub markers: Vec<SnapshotMarker>,
    /// Keys in [`Observed::folder`] that restores name which have not ended, of this cluster or another. Read while the Job
    /// of [`Observed::work`] waits for its Task.
    pub restoring: Vec<String>,
}

/// What an installation gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// Image of the executor.
    pub image: String,
    /// Audience of tokens that are shown to OpenBao.
    pub audience: String,
    /// Networks that stores may be in, comma separated.
    pub networks: String,
}

/// The `CronJob` of a cluster's backups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CronJobSeen {
    /// Its UID.
    pub uid: String,
    /// UID of the cluster that it belongs to.
    pub owner: Option<String>,
    /// Digest of what it was applied from.
    pub template: Option<String>,
    /// What it says now, whoever wrote it.
    pub spec: CronJobSpec,
    /// When a Job was last made by schedule, or it was made itself.
    pub last: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What is remembered.
    pub ledger: Ledger,
}

/// A Job that is labelled as a backup of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupJob {
    /// Its name.
    pub name: String,
    /// The rest of it.
    pub job: JobSeen,
    /// UID of its controller.
    pub controller: Option<String>,
    /// The time of the schedule that it is for.
    pub slot: Option<Timestamp>,
    /// Digest of the template that it was made from.
    pub template: Option<String>,
    /// Why the operator made it, if it did.
    pub cause: Option<String>,
    /// Whether it waits to be resumed.
    pub suspended: bool,
    /// Whether it was resumed before: it has its Task.
    pub has_task: bool,
}

/// A ticket, or the right to one, under the name of a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// What it is.
    pub kind: CompanionKind,
    /// Its UID.
    pub uid: String,
    /// UID of the Job that it was made for.
    pub request: Option<String>,
    /// UID of the cluster that it belongs to.
    pub owner: Option<String>,
}

/// What a backup has beside its Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompanionKind {
    /// The right to the ticket for the pod.
    RoleBinding,
    /// The right to the ticket.
    Role,
    /// The ticket, a Lease.
    Ticket,
}

/// The backup that holds the lock, or has to be cleaned up after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Name of its Job, ticket and rights.
    pub job: String,
    /// UID of its Job.
    pub uid: String,
}

impl Observed {
    pub(super) fn name(&self) -> &str {
        self.cluster.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &str {
        self.cluster.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn uid(&self) -> &str {
        self.cluster.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn spec(&self) -> Option<&BackupSpec> {
        self.cluster.spec.backup.as_ref()
    }

    /// Where its backups lie: what all their keys begin with.
    #[must_use]
    pub fn folder(&self) -> Option<String> {
        Some(self.spec()?.target.backup_folder(self.namespace(), self.name()))
    }

    pub(super) fn status(&self) -> BackupStatus {
        let status = self.cluster.status.as_ref();
        status.and_then(|status| status.backup.clone()).unwrap_or_default()
    }

    /// Whether nothing may be made for it any more.
    pub(super) fn is_ending(&self) -> bool {
        self.namespace_terminating || self.cluster.metadata.deletion_timestamp.is_some()
    }

    /// Another controller that is not silent.
    pub(super) fn foreign(&self, now: Timestamp) -> Option<Foreign> {
        lock::foreign(&self.cluster).filter(|foreign| !foreign.is_silent(now))
    }

    /// The lock, unless it is free.
    pub(super) fn lock(&self) -> Option<&OperationLock> {
        let lock = self.cluster.status.as_ref()?.operation_lock.as_ref();
        lock.filter(|lock| !lock.holder.is_empty())
    }

    /// The `CronJob`, if it is this cluster's.
    pub(super) fn own_cron_job(&self) -> Option<&CronJobSeen> {
        self.cron_job.as_ref().filter(|cron_job| cron_job.owner.as_deref() == Some(self.uid()))
    }

    /// Whether a `CronJob` of somebody else has the name of its own.
    pub(super) fn is_kept_out(&self) -> bool {
        self.cron_job.is_some() && self.own_cron_job().is_none()
    }

    /// Whether anything can be written to the ledger.
    pub(super) fn can_remember(&self) -> bool {
        self.own_cron_job().is_some_and(|cron_job| !cron_job.deleting)
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.own_cron_job().map(|cron_job| cron_job.ledger.clone()).unwrap_or_default()
    }

    /// The backup that holds the lock.
    #[must_use]
    pub fn holder(&self) -> Option<Work> {
        let holder = self.lock()?.our_holder().filter(|holder| holder.operation == Operation::Backup)?;
        Some(Work { job: holder.name, uid: holder.uid })
    }

    /// The backup that holds the lock, or has to be cleaned up after.
    #[must_use]
    pub fn work(&self) -> Option<Work> {
        let remembered = || {
            let attempt = self.ledger().attempt?;
            Some(Work { job: attempt.job, uid: attempt.uid })
        };
        self.holder().or_else(remembered)
    }

    /// What has to be remembered of the backup that holds the lock.
    pub(super) fn attempt(&self, work: &Work, now: Timestamp) -> Attempt {
        let taken = self.lock().and_then(|lock| lock.acquired_at.clone());
        let job = self.jobs.iter().find(|job| job.job.uid == work.uid);
        Attempt {
            job: work.job.clone(),
            uid: work.uid.clone(),
            at: taken.unwrap_or(Time(now)),
            slot: job.and_then(|job| job.slot).map(Time),
            upgrade: job.and_then(BackupJob::upgrade),
        }
    }

    /// What was made for this Job of the cluster, and what an earlier one of the same name has left.
    pub(super) fn made_for(&self, job: &str) -> (Vec<Companion>, Vec<Companion>) {
        let ours = self.companions.iter().filter(|it| self.is_ours(it)).cloned();
        ours.partition(|it| it.request.as_deref() == Some(job))
    }

    /// What nobody made for a backup of this cluster, and that is never touched.
    pub(super) fn in_the_way(&self) -> Option<&Companion> {
        self.companions.iter().find(|it| !self.is_ours(it))
    }

    fn is_ours(&self, companion: &Companion) -> bool {
        companion.request.is_some() && companion.owner.as_deref() == Some(self.uid())
    }

    /// Whether this Job waits to be resumed, as it was read.
    pub(super) fn suspended(&self, uid: &str) -> Option<&BackupJob> {
        self.jobs.iter().find(|job| job.job.uid == uid && job.suspended)
    }

    /// Jobs of the `CronJob`; others are never adopted.
    pub(super) fn own_jobs(&self) -> impl Iterator<Item = &BackupJob> {
        let cron_job = self.own_cron_job().map(|cron_job| cron_job.uid.clone());
        self.jobs.iter().filter(move |job| cron_job.is_some() && job.controller == cron_job)
    }

    /// Jobs that wait to be resumed and belong to something else: they stay as they are.
    pub fn strangers(&self) -> impl Iterator<Item = &BackupJob> {
        let cron_job = self.own_cron_job().map(|cron_job| cron_job.uid.clone());
        let is_stranger = move |job: &&BackupJob| cron_job.is_some() && job.controller != cron_job;
        self.jobs.iter().filter(|job| job.waits()).filter(is_stranger)
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.cluster.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

impl CompanionKind {
    /// What Kubernetes calls it.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::RoleBinding => "RoleBinding",
            Self::Role => "Role",
            Self::Ticket => "Lease",
        }
    }
}

impl BackupJob {
    /// Whether it waits to be resumed.
    pub(super) fn waits(&self) -> bool {
        self.suspended && !self.job.finished && !self.job.deleting
    }

    /// Its end before it has begun.
    pub(super) fn dropped(&self) -> Step {
        Step::DropJob { name: self.name.clone(), uid: self.job.uid.clone() }
    }

    /// The version that the cluster is upgraded to, if it is for that.
    pub(super) fn upgrade(&self) -> Option<String> {
        self.cause.as_deref()?.strip_prefix(UPGRADE).map(str::to_owned)
    }
}

/// Begins the cause of a Job that is made before an upgrade.
pub(super) const UPGRADE: &str = "upgrade/";

impl Work {
    /// As holder of the lock.
    #[must_use]
    pub fn holder(&self) -> Holder {
        Holder { operation: Operation::Backup, name: self.job.clone(), uid: self.uid.clone() }
    }
}

/// The trigger that the cluster has, if it has one.
pub(super) fn trigger(seen: &Observed) -> Option<&str> {
    seen.annotation(names::TRIGGER_BACKUP).filter(|value| !value.is_empty())
}
