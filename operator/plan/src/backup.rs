//! What a cluster's backups need next. Jobs come from a `CronJob`, born suspended; one at a time is given the lock, its
//! ticket and its Task, and what became of it is written before the lock goes. Nothing is remembered between two looks
//! but what is written in the cluster.

mod attempt;
mod configure;
mod draft;
mod ledger;
pub mod objects;
mod observed;
mod queue;
pub mod task;
mod times;
mod upgrade;

#[cfg(test)]
mod tests;

pub use draft::{CONDITIONS, Told, Written};
pub use ledger::{Attempt, Ledger};
pub use observed::{BackupJob, Companion, CompanionKind, CronJobSeen, Installation, Observed, Work};

use api::conditions::Reason;
use api::task::Problem;
use draft::Draft;
use jiff::Timestamp;

/// One write to the world, beside the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `ServiceAccount` and `CronJob`, by server-side apply.
    ApplyCronJob,
    /// The `CronJob` goes, and its Jobs with it.
    DeleteCronJob,
    /// A Job that no schedule makes.
    CreateJob(Cause),
    /// The end of a Job that has not begun.
    DropJob {
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// A Job that cannot be run is resumed with a Task that says why, so that it fails honestly.
    Refuse {
        /// Its name.
        name: String,
        /// What it says.
        problem: Problem,
    },
    /// Compare-and-swap of the operation lock, from free to this Job.
    TakeLock(Work),
    /// What has to be remembered.
    Remember(Ledger),
    /// The ticket of the Job at work.
    CreateTicket,
    /// Role and `RoleBinding` on that one ticket.
    Grant,
    /// The Job is resumed and handed its Task, in one write over exactly what was read.
    Resume,
    /// The Job's UID onto its ticket.
    NameJob,
    /// Claim of the ticket by the operator: no pod can act any more.
    Fence(Reason),
    /// The end of the Job at work, in foreground.
    EndJob,
    /// Ticket, Role and `RoleBinding` that were made for a backup go.
    CleanUp(Vec<Companion>),
    /// Compare-and-swap of the operation lock, from ours to free.
    ReleaseLock,
}

/// Why the operator makes a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The value of the annotation `openbao.org/trigger-backup`.
    Trigger(String),
    /// The version that the cluster is upgraded to.
    Upgrade(String),
    /// The time of the schedule whose Job was made from a template that is no longer the cluster's.
    Slot(String),
}

/// Why nothing can be done until somebody else moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// A backup is at work.
    Backup,
    /// Pods that know the lock have not ended.
    Pods,
    /// Two attempts of one second could not be told apart.
    Second,
    /// Something of the same name is still there, and not ours.
    Leftover,
    /// Another controller works on the cluster.
    ForeignController,
    /// The cluster is being upgraded.
    Upgrade,
    /// Somebody else holds the lock.
    Lock,
}

impl Waiting {
    /// Condition reason, metric label and log field.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Backup | Self::Second => Reason::BackupAtWork,
            Self::Pods => Reason::PodsEnding,
            Self::Leftover => Reason::LeftoverExists,
            Self::ForeignController => Reason::ForeignController,
            Self::Upgrade => Reason::ClusterUpgrading,
            Self::Lock => Reason::LockHeldByOther,
        }
    }
}

/// What to write now: the status first, then the step; then people are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The part of the cluster's status that is ours, where it differs.
    pub status: Option<Written>,
    /// The next write, if there is one.
    pub step: Option<Step>,
    /// Why it waits, if it does.
    pub waiting: Option<Waiting>,
    /// What is told once everything of this plan is written.
    pub told: Vec<Told>,
}

/// What a part of the plan says.
enum Rung {
    /// Nothing to do here.
    Pass,
    /// This write is next.
    Act(Step),
    /// Nothing can be done until somebody else moves.
    Wait(Waiting),
}

/// What a cluster's backups need next.
#[must_use]
pub fn plan(seen: &Observed, now: Timestamp) -> Plan {
    let mut draft = Draft::new(seen, now);
    let rungs = [attempt::rung, configure::rung, upgrade::rung, configure::trigger, queue::rung];
    for rung in rungs {
        match rung(seen, &mut draft) {
            Rung::Pass => {}
            Rung::Act(step) => return draft.plan(Some(step), None),
            Rung::Wait(waiting) => return draft.plan(None, Some(waiting)),
        }
    }
    draft.plan(None, None)
}
