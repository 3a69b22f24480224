//! What a restore does next. [`plan`] reads as the specification: a ladder of rungs, each of which lets the request
//! pass, acts, waits, or ends it. Nothing is remembered between two looks but what is written in the cluster.

pub mod arbiter;
mod draft;
mod history;
mod human;
pub mod job;
mod ladder;
pub mod objects;
mod observed;
mod overriding;
mod pod;
mod proving;
mod running;
pub mod task;
mod terminal;
pub mod transitions;
mod validating;

#[cfg(test)]
mod tests;

pub(crate) use observed::is_upgrading;
pub use observed::{JobSeen, Observed, PodsSeen, Rival, Run, TicketSeen, fence_holder, proof_number};

use crate::job::STARTS_WITHIN;
use api::conditions::Reason;
use api::{OpenBaoRestoreStatus, Phase};
use draft::Draft;
use jiff::{SignedDuration, Timestamp};

/// One write to the world, beside the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Finalizer, `request-uid` and `request-name`, so that a deletion is seen and a copy is known.
    Guard,
    /// The ticket of a Job; it comes before the Job that claims it.
    CreateTicket(Stage),
    /// Role and `RoleBinding` on that one ticket, and the `ServiceAccount` that gets them.
    Grant(Stage),
    /// The Job itself.
    CreateJob(Stage),
    /// The Job's UID onto its ticket: from now on a missing Job was deleted.
    NameJob {
        /// Which Job.
        stage: Stage,
        /// Its UID.
        job: String,
    },
    /// Compare-and-swap of the Lease of the OpenBao, from what was read to ours.
    TakeArbiter,
    /// Compare-and-swap of the operation lock, from what was read to ours.
    TakeLock,
    /// Claim of the ticket by the operator, for this reason: afterwards no pod can act.
    Fence(Reason),
    /// Claim of the ticket of another restore of ours, whose lock is to be overridden; one that it has not made yet is
    /// made, claimed.
    FenceRival,
    /// The end of a backup of ours, whose lock is to be overridden.
    EndRival,
    /// What was done to the cluster, into its status.
    Record(Outcome),
    /// Compare-and-swap of the operation lock, from ours to free.
    ReleaseLock,
    /// The end of the Lease of the OpenBao, where it is ours.
    ReleaseArbiter,
    /// The end of a Job that is still at work and no longer wanted.
    DeleteJob(Stage),
    /// A time to live for a Job that has ended.
    Retire(Stage),
    /// The finalizer goes.
    Free,
}

/// The Jobs of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Looks at everything, changes nothing.
    Check,
    /// Applies the snapshot.
    Restore,
    /// Asks the cluster whether it was applied: the n-th time, from 1.
    Prove(u32),
}

/// What `status.restores` of the cluster keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The snapshot is the cluster's data.
    Applied,
    /// The cluster's data are as they were, though that was not known at first: nothing is kept.
    NotApplied,
    /// Nobody knows.
    Unknown,
}

impl Outcome {
    /// The value of `status.restores[].outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotApplied => "not-applied",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a request does not go on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The cluster object is not there.
    Cluster,
    /// The cluster is being upgraded.
    Upgrade,
    /// A Job or ticket of an earlier request of this name is still there.
    Leftover,
    /// The check Job is at work.
    Check,
    /// Another controller works on the cluster.
    ForeignController,
    /// A request works on the same OpenBao by another cluster object.
    OpenBao,
    /// Somebody else holds the lock.
    Lock,
    /// Somebody else holds the lock, which is to be overridden, and may still act.
    Rival,
    /// The restore Job is at work.
    Restore,
    /// The leader has acknowledged the snapshot, and the cluster has yet to prove it.
    Proving,
    /// Nobody knows whether the restore was applied.
    Outcome,
    /// The same, while a Job asks the cluster.
    Proof,
    /// Pods that know the lock have not ended.
    Pods,
}

impl Waiting {
    /// Condition reason, metric label and log field.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Cluster => Reason::ClusterNotFound,
            Self::Upgrade => Reason::ClusterUpgrading,
            Self::Leftover => Reason::LeftoverExists,
            Self::Check => Reason::Checking,
            Self::ForeignController => Reason::ForeignController,
            Self::OpenBao => Reason::OpenBaoBusy,
            Self::Lock => Reason::LockHeldByOther,
            Self::Rival => Reason::OverrideWaits,
            Self::Restore => Reason::Restoring,
            Self::Proving => Reason::Proving,
            Self::Outcome | Self::Proof => Reason::OutcomeUnknown,
            Self::Pods => Reason::PodsEnding,
        }
    }

    /// Whether `startingDeadlineSeconds` ends this wait. It never ends a check or a restore that is at work.
    const fn ends_by_deadline(self) -> bool {
        matches!(
            self,
            Self::Cluster
                | Self::Upgrade
                | Self::Leftover
                | Self::ForeignController
                | Self::OpenBao
                | Self::Lock
                | Self::Rival
        )
    }

    /// Whether the request is stuck for a human, as far as anybody knows.
    const fn is_doubt(self) -> bool {
        matches!(self, Self::Outcome | Self::Proof)
    }
}

/// What to write now: the status first, then the step.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The status as it should be; written only where it differs.
    pub status: OpenBaoRestoreStatus,
    /// The next write, if there is one.
    pub step: Option<Step>,
    /// Why it waits, if it does.
    pub waiting: Option<Waiting>,
}

/// What a rung of the ladder says.
#[derive(Debug, PartialEq, Eq)]
enum Rung {
    /// Nothing to do here.
    Pass,
    /// This write is next.
    Act(Step),
    /// Nothing can be done until somebody else moves.
    Wait(Waiting, String),
    /// The request fails, for this reason; nothing was touched.
    Fail(Reason, String),
    /// Nothing is left to do.
    Rest,
}

/// What a restore does next.
#[must_use]
pub fn plan(seen: &Observed, now: Timestamp) -> Plan {
    let mut draft = Draft::new(&seen.request, now);
    for rung in ladder::RUNGS {
        match rung(seen, &mut draft) {
            Rung::Pass => {}
            Rung::Act(step) => return draft.act(step),
            Rung::Wait(waiting, _)
                if waiting.ends_by_deadline()
                    && draft.phase() != Phase::Running
                    && past_deadline(seen, now) =>
            {
                let seconds = seen.request.spec.starting_deadline_seconds;
                let message = format!(
                    "The restore was not Running within {seconds} seconds of its creation, because it waited: {}. \
                     Nothing was touched. Create a new OpenBaoRestore when the cluster is ready for it.",
                    waiting.reason().as_str()
                );
                return draft.fail(Reason::DeadlineExceeded, message);
            }
            Rung::Wait(waiting, message) => return draft.wait(waiting, message),
            Rung::Fail(reason, message) => return draft.fail(reason, message),
            Rung::Rest => return draft.rest(),
        }
    }
    draft.rest()
}

/// What a stage lacks until its Job is at work, in the order in which it is made. A Job that its ticket names, and that
/// is not there, was deleted: it is not made again.
fn missing(run: &Run, stage: Stage) -> Option<Step> {
    let Some(ticket) = &run.ticket else { return Some(Step::CreateTicket(stage)) };
    match (&run.job, &ticket.job) {
        _ if !run.granted => Some(Step::Grant(stage)),
        (None, None) => Some(Step::CreateJob(stage)),
        (Some(job), None) => Some(Step::NameJob { stage, job: job.uid.clone() }),
        (_, Some(_)) => None,
    }
}

/// Whether the pod of a Job at work should have been heard of by now.
fn is_unstarted(run: &Run, now: Timestamp) -> bool {
    let silent = run.ticket.as_ref().is_some_and(|ticket| !ticket.beats && ticket.report.is_none());
    let created = run.job.as_ref().filter(|_| run.is_at_work()).and_then(|job| job.created);
    silent && created.is_some_and(|created| now.duration_since(created) >= STARTS_WITHIN)
}

fn leftover() -> Rung {
    let message = "A Job or ticket of an earlier request of this name is still there; it is never adopted.";
    Rung::Wait(Waiting::Leftover, message.to_owned())
}

fn past_deadline(seen: &Observed, now: Timestamp) -> bool {
    let Some(created) = &seen.request.metadata.creation_timestamp else { return false };
    let allowed = SignedDuration::from_secs(seen.request.spec.starting_deadline_seconds);
    now.duration_since(created.0) > allowed
}
