//! Conditions: their types, and every reason that one of them can carry.

use serde::{Deserialize, Serialize};

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// An enum whose texts are the names of its variants.
macro_rules! named {
    ($(#[$about:meta])* pub enum $enum:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$about])*
        pub enum $enum { $($(#[$doc])* $variant,)* }

        impl $enum {
            /// As it stands in a condition.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

named! {
    /// Type of a condition on an `OpenBaoRestore`. The first three are what kstatus (Flux, Helm) reads.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    pub enum ConditionType {
        /// True only when the restore is Completed.
        Ready,
        /// True while work goes on; never beside Stalled.
        Reconciling,
        /// True when a human is needed: Failed, or the outcome is unknown.
        Stalled,
        /// True in both terminal phases, so that a wait ends on failure too.
        Finished,
        /// The cluster object exists and may be restored.
        ClusterResolved,
        /// Every byte of the snapshot was checked.
        SnapshotVerified,
        /// The snapshot's seal keys are the cluster's own, or force accepts others.
        SealCompatible,
        /// OpenBao accepted the credentials and grants what a restore needs.
        Authenticated,
        /// The cluster's operation lock is ours.
        LockHeld,
        /// The cluster has proved that the snapshot is its data now.
        Applied,
        /// The operation lock is free of us again.
        LockReleased,
        /// The snapshot is of this very cluster; of another one, its leases are revoked where they were given.
        SameCluster,
        /// No server keeps policies and mounts of before the restore.
        StandbysRefreshed,
        /// On an `OpenBaoCluster`: another controller backs it up or restores it.
        ForeignController,
        /// On an `OpenBaoCluster`: the last backup that was tried is a good one.
        BackupHealthy,
        /// On an `OpenBaoCluster`: backups are taken by a schedule.
        BackupScheduled,
        /// On an `OpenBaoCluster`: the snapshot before the upgrade to `spec.version` is there.
        PreUpgradeSnapshotReady,
    }
}

named! {
    /// Why a condition, and so a restore, is as it is: condition reason, metric label and log field alike.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub enum Reason {
        /// Nothing stands in the way.
        Accepted,
        /// The request breaks a rule of admission.
        SpecRefused,
        /// The request changed after it was accepted.
        GenerationChanged,
        /// The cluster object does not exist yet.
        ClusterNotFound,
        /// An upgrade of the cluster has to end first.
        ClusterUpgrading,
        /// The check Job is at work.
        Checking,
        /// The check found every byte in order.
        Verified,
        /// The check found problems; the message has all of them.
        CheckFailed,
        /// Another operation holds the lock.
        LockHeldByOther,
        /// The lock is ours.
        LockAcquired,
        /// The lock was lost while we needed it.
        LockLost,
        /// The restore Job is at work.
        Restoring,
        /// The cluster has proved the restore.
        Proved,
        /// The restore was refused or failed, and the cluster's data are as they were.
        NotApplied,
        /// Nobody knows yet whether the snapshot was applied.
        OutcomeUnknown,
        /// It was not Running in time.
        DeadlineExceeded,
        /// Its Job was deleted before it acted.
        JobDeleted,
        /// The same intent ran before.
        AlreadyRequested,
        /// The namespace is going away.
        NamespaceTerminating,
        /// The request was deleted before it ran.
        Cancelled,
        /// The lock is no longer ours.
        Released,
        /// A Job or ticket of an earlier request of this name is still there.
        LeftoverExists,
        /// Pods that know the lock have not ended.
        PodsEnding,
        /// The Job ended before it acted.
        JobFailed,
        /// The object is not there.
        SnapshotNotFound,
        /// The object is not a whole, valid snapshot.
        SnapshotInvalid,
        /// OpenBao ended the snapshot before it was whole.
        SnapshotTruncated,
        /// OpenBao gave the snapshot too slowly, or stopped.
        SnapshotStalled,
        /// OpenBao gave no snapshot.
        SnapshotRefused,
        /// The object does not have the digest that the request gives.
        DigestMismatch,
        /// The object changed since it was checked.
        ObjectChanged,
        /// The store refused the credentials.
        StorageDenied,
        /// The store did not answer.
        StorageUnreachable,
        /// OpenBao refused the credentials.
        LoginRefused,
        /// OpenBao lets the credentials do less than a restore needs.
        PermissionMissing,
        /// The role issues batch tokens, which a restore does not void.
        BatchToken,
        /// The servers agree on no leader.
        NoLeader,
        /// A server is sealed.
        ServerSealed,
        /// A server did not answer.
        ServerUnreachable,
        /// The snapshot was taken by a newer version than the server's.
        ServerOlder,
        /// The snapshot is sealed with other keys.
        SealMismatch,
        /// The dry run of the seal check gave no verdict.
        SealUnknown,
        /// The ticket was claimed by somebody else, or is gone.
        TicketLost,
        /// The lock was taken from another holder, as the request asks.
        LockOverridden,
        /// The holder whose lock is to be overridden may still act.
        OverrideWaits,
        /// The owner of a lock of ours is over or gone, so the lock was cleared.
        OwnerGone,
        /// Another controller backs the cluster up or restores it.
        ForeignController,
        /// The other controller has been silent for long enough.
        ForeignSilent,
        /// The pod of a Job did not start in time.
        PodNotStarted,
        /// A human gave the request up.
        Abandoned,
        /// A human settled the outcome.
        Settled,
        /// The snapshot is not what its manifest says.
        ManifestMismatch,
        /// The snapshot is of another cluster.
        OtherCluster,
        /// A server has not applied what the leader has committed.
        IndexLag,
        /// A server would cut the upload before its end.
        ReadTimeout,
        /// Standbys serve policies and mounts of before until they are restarted.
        StandbysStale,
        /// A whole snapshot stands in the store with its manifest.
        BackupMade,
        /// No backup was tried yet.
        NoBackupYet,
        /// A backup is at work.
        BackupAtWork,
        /// A backup has to be made first.
        BackupPending,
        /// A schedule makes backups.
        Scheduled,
        /// The schedule is suspended.
        ScheduleSuspended,
        /// There is no schedule: backups are made by hand.
        ManualOnly,
        /// The cluster says nothing of backups.
        NotConfigured,
        /// The servers run the version that is wanted.
        NoUpgrade,
        /// Nobody says which version runs.
        VersionUnknown,
        /// The leader has acknowledged the snapshot, and the cluster has yet to prove that it has its data.
        Proving,
        /// Another restore has replaced the data since they were checked.
        Superseded,
        /// The servers are not the OpenBao that was checked, or their data are older than they were.
        ClusterChanged,
        /// Fewer addresses are named than there are servers.
        AddressMissing,
        /// One address leads to several servers, or several servers give one address as their own.
        AddressShared,
        /// A quota of OpenBao refuses the request.
        QuotaExceeded,
        /// Another operation works on the same OpenBao by another `OpenBaoCluster`.
        OpenBaoBusy,
        /// The Job was made from a template that is no longer the cluster's.
        TemplateStale,
    }
}
