//! What was read of the world before planning; nothing in it comes from a watch cache.

use super::Stage;
use api::conditions::Reason;
use api::task::{Pinned, Report};
use api::{OpenBaoCluster, OpenBaoRestore, Operation, OperationLock};

/// A request and all that concerns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The request.
    pub request: OpenBaoRestore,
    /// What the rules of admission have against it, if anything.
    pub judgement: Option<String>,
    /// Whether its namespace is going away.
    pub namespace_terminating: bool,
    /// The cluster it names, if it exists.
    pub cluster: Option<OpenBaoCluster>,
    /// The check.
    pub check: Run,
    /// The restore.
    pub restore: Run,
}

/// A Job and its ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The Job of that name, if there is one.
    pub job: Option<JobSeen>,
    /// The ticket of that name, if there is one.
    pub ticket: Option<TicketSeen>,
    /// Whether Role, `RoleBinding` and `ServiceAccount` are there.
    pub granted: bool,
    /// Whether a pod of the Job has not ended.
    pub pods_left: bool,
}

/// A Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobSeen {
    /// Its UID.
    pub uid: String,
    /// UID of the request that it was made for.
    pub request: Option<String>,
    /// Whether it is Complete or Failed.
    pub finished: bool,
    /// Why it failed, in Kubernetes' words.
    pub failure: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it will be removed by itself.
    pub retired: bool,
}

/// A ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketSeen {
    /// Its UID.
    pub uid: String,
    /// UID of the request that it was made for.
    pub request: Option<String>,
    /// UID of the Job that it was given to.
    pub job: Option<String>,
    /// Who claimed it: a pod's UID, or the operator.
    pub holder: Option<String>,
    /// Bytes moved, of how many.
    pub progress: Option<(i64, i64)>,
    /// What the pod said last.
    pub report: Option<Report>,
}

/// Begins the holder of a ticket that the operator claimed.
const OPERATOR: &str = "operator/";

/// What the operator claims a ticket for.
const FENCES: [Reason; 4] =
    [Reason::JobDeleted, Reason::JobFailed, Reason::LockLost, Reason::NamespaceTerminating];

/// The holder by which the operator claims a ticket.
#[must_use]
pub fn fence_holder(reason: Reason) -> String {
    format!("{OPERATOR}{}", reason.as_str())
}

impl Run {
    /// Whether something of this name belongs to another request.
    pub(super) fn is_foreign(&self, uid: &str) -> bool {
        let foreign = |request: &Option<String>| request.as_deref() != Some(uid);
        self.job.as_ref().is_some_and(|job| foreign(&job.request))
            || self.ticket.as_ref().is_some_and(|ticket| foreign(&ticket.request))
    }

    /// What the pod said last.
    pub(super) fn report(&self) -> Option<&Report> {
        self.ticket.as_ref().and_then(|ticket| ticket.report.as_ref())
    }

    /// Whether a pod, and not the operator, claimed the ticket.
    pub(super) fn claimed_by_pod(&self) -> bool {
        self.ticket
            .as_ref()
            .and_then(|ticket| ticket.holder.as_deref())
            .is_some_and(|holder| !holder.is_empty() && !holder.starts_with(OPERATOR))
    }

    /// Why the operator claimed the ticket, if it did.
    pub(super) fn fenced(&self) -> Option<Reason> {
        let holder = self.ticket.as_ref()?.holder.as_deref()?;
        let why = holder.strip_prefix(OPERATOR)?;
        let known = FENCES.iter().find(|reason| reason.as_str() == why);
        Some(known.copied().unwrap_or(Reason::JobFailed))
    }
}

impl Observed {
    pub(super) fn uid(&self) -> &str {
        self.request.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.request.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn being_deleted(&self) -> bool {
        self.request.metadata.deletion_timestamp.is_some()
    }

    /// The lock of the cluster, unless it is free.
    pub(super) fn lock(&self) -> Option<&OperationLock> {
        let status = self.cluster.as_ref()?.status.as_ref()?;
        status.operation_lock.as_ref().filter(|lock| !lock.holder.is_empty())
    }

    /// Job and ticket of a stage.
    #[must_use]
    pub const fn run(&self, stage: Stage) -> &Run {
        match stage {
            Stage::Check => &self.check,
            Stage::Restore => &self.restore,
        }
    }

    /// Who holds the lock when this request does.
    #[must_use]
    pub fn our_holder(&self) -> String {
        Operation::Restore.holder(self.name(), self.uid())
    }

    pub(super) fn lock_is_ours(&self) -> bool {
        self.lock().is_some_and(|lock| lock.holder == self.our_holder())
    }

    /// The snapshot as the check saw it.
    #[must_use]
    pub fn pinned(&self) -> Option<&Pinned> {
        self.check.report().and_then(|report| report.pinned.as_ref())
    }
}

impl Observed {
    /// UID of the newest run of this intent by another request.
    pub(super) fn latest_run_of(&self, digest: Option<&str>) -> Option<String> {
        let status = self.cluster.as_ref()?.status.as_ref()?;
        let same = |record: &&api::cluster::RestoreRecord| {
            Some(record.intent_digest.as_str()) == digest && record.uid != self.uid()
        };
        status.restores.iter().rev().find(same).map(|record| record.uid.clone())
    }
}

/// An absent condition is unknown, which is not upgrading.
pub(super) fn is_upgrading(cluster: &OpenBaoCluster) -> bool {
    cluster.status.as_ref().is_some_and(|status| {
        status.conditions.iter().any(|condition| condition.type_ == "Upgrading" && condition.status == "True")
    })
}
