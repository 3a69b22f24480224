//! What was read of the world before planning; nothing in it comes from a watch cache.

use super::Stage;
use super::arbiter::ArbiterSeen;
use crate::lock;
use api::conditions::{Condition, Reason};
use api::lock::Holder;
use api::task::{self, Answered, Checked, Claimed, Pinned, Report};
use api::{OpenBaoCluster, OpenBaoRestore, Operation, OperationLock, names};
use jiff::Timestamp;

/// Phase and condition of a cluster whose servers are being upgraded.
const UPGRADING: &str = "Upgrading";

/// A request and all that concerns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The request.
    pub request: OpenBaoRestore,
    /// What the rules of admission have against it, if anything.
    pub judgement: Option<String>,
    /// The networks that the installation lets stores be in, comma separated.
    pub storage_allow_cidrs: String,
    /// Whether its namespace is going away.
    pub namespace_terminating: bool,
    /// The cluster it names, if it exists.
    pub cluster: Option<OpenBaoCluster>,
    /// The check.
    pub check: Run,
    /// The restore.
    pub restore: Run,
    /// The proof that [`proof_number`] gives.
    pub proof: Run,
    /// Another operation of ours that holds the lock.
    pub rival: Option<Rival>,
    /// The Lease of the OpenBao that was checked, if there is one.
    pub arbiter: Option<ArbiterSeen>,
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
    /// Its pods.
    pub pods: PodsSeen,
}

/// The pods of a Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodsSeen {
    /// Whether one has not ended.
    pub left: bool,
    /// Why one does not start, in Kubernetes' words.
    pub stuck: Option<String>,
    /// When the executor of the pod that claimed the ticket was reported terminated.
    pub claimant_terminated: Option<Timestamp>,
    /// What the pod that claimed the ticket left in its termination log, or any pod that says there that it acted.
    pub claimant_report: Option<Report>,
    /// How a pod that has ended did so: in its own words, or in Kubernetes'.
    pub ended: Option<String>,
}

/// A Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may hold at once"
)]
pub struct JobSeen {
    /// Its UID.
    pub uid: String,
    /// UID of the request that it was made for.
    pub request: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was started, or resumed last.
    pub started: Option<Timestamp>,
    /// Whether it is Complete or Failed.
    pub finished: bool,
    /// Whether it has failed, though pods of it may still run.
    pub failing: bool,
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
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was claimed.
    pub acquired: Option<Timestamp>,
    /// UID of the Job that it was given to.
    pub job: Option<String>,
    /// Who claimed it: a pod's UID, or the operator.
    pub holder: Option<String>,
    /// Whether a pod has ever written to it.
    pub beats: bool,
    /// What the claim left, so that anybody can prove what became of it.
    pub claim: Option<Claimed>,
    /// The answer to its POST that the pod has read.
    pub answer: Option<Answered>,
    /// Bytes moved, of how many.
    pub progress: Option<(i64, i64)>,
    /// What the pod said last.
    pub report: Option<Report>,
}

/// Another operation of ours that holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is at most one at each look")]
pub enum Rival {
    /// Another request.
    Restore {
        /// Whether it is gone, or over and cleaned up after: it gives nothing back any more.
        over: bool,
        /// UID of the ticket that its status names.
        recorded: Option<String>,
        /// Its ticket.
        ticket: Option<TicketSeen>,
        /// Whether a pod of its restore has not ended.
        pods_left: bool,
    },
    /// A backup.
    Backup {
        /// Its Job, if that is still there.
        job: Option<JobSeen>,
        /// Whether a pod of it has not ended.
        pods_left: bool,
    },
}

/// Begins the holder of a ticket that the operator claimed.
const OPERATOR: &str = "operator/";

/// What the operator claims a ticket for.
const FENCES: [Reason; 10] = [
    Reason::JobDeleted,
    Reason::JobFailed,
    Reason::LockLost,
    Reason::LockOverridden,
    Reason::OwnerGone,
    Reason::NamespaceTerminating,
    Reason::PodNotStarted,
    Reason::Abandoned,
    Reason::GenerationChanged,
    Reason::DeadlineExceeded,
];

/// Comes before the former holder in the message of a lock that was overridden.
pub(super) const OVERRODE: &str = "It overrode the lock of ";

/// Proofs are looked for up to this number; with ten minutes between them that is months.
const MOST_PROOFS: u32 = 20_000;

/// The holder by which the operator claims a ticket.
#[must_use]
pub fn fence_holder(reason: Reason) -> String {
    format!("{OPERATOR}{}", reason.as_str())
}

/// Number of the proof whose Job the request's status names.
#[must_use]
pub fn proof_number(request: &OpenBaoRestore) -> Option<u32> {
    let job = request.status.as_ref()?.job_name.as_deref().filter(|job| job.starts_with("prove-"))?;
    let name = request.metadata.name.as_deref().unwrap_or_default();
    (1..=MOST_PROOFS).find(|n| names::prove_job(name, *n) == job)
}

impl TicketSeen {
    /// Whether a pod, and not the operator, claimed it.
    pub(super) fn claimed_by_pod(&self) -> bool {
        self.holder.as_deref().is_some_and(|holder| !holder.is_empty() && !holder.starts_with(OPERATOR))
    }

    /// Whether nobody has claimed it.
    pub(crate) fn is_free(&self) -> bool {
        self.holder.as_deref().is_none_or(str::is_empty)
    }

    /// Whether a pod claimed it whose process may live on unseen.
    pub(crate) fn may_still_post(&self, now: Timestamp) -> bool {
        let until = self.claim.as_ref().map(|claimed| claimed.claim.nothing_after.0);
        let is_known = self.report.as_ref().is_some_and(|report| report.outcome != task::Outcome::Unknown);
        self.claimed_by_pod() && !is_known && until.is_none_or(|until| now < until)
    }
}

impl Run {
    /// Whether something of this name belongs to another request.
    pub(super) fn is_foreign(&self, uid: &str) -> bool {
        let foreign = |request: &Option<String>| request.as_deref() != Some(uid);
        self.job.as_ref().is_some_and(|job| foreign(&job.request))
            || self.ticket.as_ref().is_some_and(|ticket| foreign(&ticket.request))
    }

    /// What the pod said last: on its ticket, or else in its termination log.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.ticket.as_ref()?.report.as_ref().or(self.pods.claimant_report.as_ref())
    }

    /// What a check that is done saw of the servers.
    #[must_use]
    pub fn checked(&self) -> Option<&Checked> {
        self.report().and_then(|report| report.checked.as_ref())
    }

    /// What a pod says that acted, where its ticket does not: a rollback of etcd may have taken the claim away.
    pub(super) fn acted(&self) -> Option<&Report> {
        if self.claimed_by_pod() && self.ticket.as_ref().is_some_and(|ticket| ticket.report.is_some()) {
            return None;
        }
        let acted = |report: &&Report| matches!(report.outcome, task::Outcome::Done | task::Outcome::Unknown);
        self.pods.claimant_report.as_ref().filter(acted)
    }

    pub(super) fn claimed_by_pod(&self) -> bool {
        self.ticket.as_ref().is_some_and(TicketSeen::claimed_by_pod)
    }

    /// Why the operator claimed the ticket, if it did.
    pub(crate) fn fenced(&self) -> Option<Reason> {
        let holder = self.ticket.as_ref()?.holder.as_deref()?;
        let why = holder.strip_prefix(OPERATOR)?;
        let known = FENCES.iter().find(|reason| reason.as_str() == why);
        Some(known.copied().unwrap_or(Reason::JobFailed))
    }

    /// Whether its Job has neither ended nor is about to be deleted.
    pub(super) fn is_at_work(&self) -> bool {
        self.job.as_ref().is_some_and(|job| !job.finished && !job.deleting)
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

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.request.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// Whether a human gave up exactly this request.
    pub(super) fn is_abandoned(&self) -> bool {
        self.annotation(names::ABANDON) == Some(self.uid())
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
            Stage::Prove(_) => &self.proof,
        }
    }

    /// Everything that was made for the request, as far as it still matters.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&Run, Stage)> {
        let proof = proof_number(&self.request).map(|n| (&self.proof, Stage::Prove(n)));
        [(&self.check, Stage::Check), (&self.restore, Stage::Restore)].into_iter().chain(proof)
    }

    /// The lock as this request takes it. From whom, if from anybody, is part of its message.
    #[must_use]
    pub fn our_lock(&self, now: Timestamp) -> OperationLock {
        let mut lock = lock::taken(&self.our_holder(), &self.request.spec.cluster, now);
        if let (Some(message), Some(before)) = (&mut lock.message, self.lock()) {
            *message = format!("{message} {OVERRODE}{} ({}).", before.holder, before.operation);
        }
        lock
    }

    fn our_holder(&self) -> Holder {
        let (name, uid) = (self.name().to_owned(), self.uid().to_owned());
        Holder { operation: Operation::Restore, name, uid }
    }

    pub(super) fn lock_is_ours(&self) -> bool {
        self.lock().and_then(OperationLock::our_holder).is_some_and(|holder| holder == self.our_holder())
    }

    /// The snapshot as the check saw it.
    #[must_use]
    pub fn pinned(&self) -> Option<&Pinned> {
        self.check.report().and_then(|report| report.pinned.as_ref())
    }

    /// What the check saw of the servers.
    #[must_use]
    pub fn checked(&self) -> Option<&Checked> {
        self.check.checked()
    }

    /// Whether it is still what was judged. A deletion, and nothing else, adds one to the generation.
    pub(super) fn is_as_accepted(&self, accepted: Option<i64>) -> bool {
        let found = self.request.metadata.generation;
        let deleted = accepted.map(|accepted| accepted.saturating_add(i64::from(self.being_deleted())));
        found == accepted || found == deleted
    }
}

/// Whether the operator of the servers says so, in its phase or its condition. Where it says neither, nothing is known, which
/// is not upgrading.
pub(crate) fn is_upgrading(cluster: &OpenBaoCluster) -> bool {
    cluster.status.as_ref().is_some_and(|status| {
        let says = |condition: &Condition| condition.type_ == UPGRADING && condition.status == "True";
        status.phase.as_deref() == Some(UPGRADING) || status.conditions.iter().any(says)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Bug: a cluster is backed up or restored in the middle of an upgrade, or waits for one that nobody spoke of.
    #[test]
    fn an_upgrade_is_what_phase_or_condition_says() {
        let condition = |status: &str| {
            json!({"conditions": [{
                "type": UPGRADING, "status": status, "reason": "r", "message": "",
                "lastTransitionTime": "2026-03-20T03:00:00Z",
            }]})
        };
        for (status, expected) in [
            (json!(null), false),
            (json!({}), false),
            (json!({"phase": "Running"}), false),
            (condition("False"), false),
            (condition("Unknown"), false),
            (condition("True"), true),
            (json!({"phase": "Upgrading"}), true),
        ] {
            let cluster = json!({
                "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": {"name": "c"},
                "spec": {"replicas": 1}, "status": status,
            });
            assert_eq!(is_upgrading(&serde_json::from_value(cluster).unwrap()), expected, "{status}");
        }
    }
}
