//! The snapshot before an upgrade: one for each version that is upgraded to.

use super::draft::Draft;
use super::observed::Observed;
use super::{Cause, Rung, Step, objects};
use crate::condition::Truth;
use api::conditions::{ConditionType, Reason};
use jiff::SignedDuration;

/// Pause from the beginning of one that failed: a pod that does not start is given up after half of it, and others that
/// wait are let by in the rest.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);
const READY: ConditionType = ConditionType::PreUpgradeSnapshotReady;

pub(super) fn rung(seen: &Observed, draft: &mut Draft<'_>) -> Rung {
    let Some(wanted) = wanted(seen) else {
        draft.unset(READY);
        return Rung::Pass;
    };
    if seen.spec().is_none() {
        let message = "spec.backup is not set: no snapshot is taken before an upgrade.";
        draft.set(READY, Truth::False, Reason::NotConfigured, message);
        return Rung::Pass;
    }
    let status = seen.cluster.status.clone().unwrap_or_default();
    match status.current_version.or(draft.backup.server_version.clone()) {
        None => {
            let message =
                "Neither status.currentVersion nor a backup says which version runs; the next backup does.";
            draft.set(READY, Truth::Unknown, Reason::VersionUnknown, message);
            return Rung::Pass;
        }
        Some(running) if running == wanted => {
            let message = format!("The servers run {running}, which is what spec.version asks for.");
            draft.set(READY, Truth::False, Reason::NoUpgrade, &message);
            return Rung::Pass;
        }
        Some(_) => {}
    }
    if let Some(made) = draft.backup.pre_upgrade.clone().filter(|made| made.target_version == wanted) {
        let message = format!("The snapshot before the upgrade to {wanted} is {}.", made.key);
        draft.set(READY, Truth::True, Reason::BackupMade, &message);
        return Rung::Pass;
    }
    let message = format!("The upgrade to {wanted} has to wait until a snapshot was taken.");
    draft.set(READY, Truth::False, Reason::BackupPending, &message);
    missing(seen, draft, wanted)
}

/// The version that is asked for, where a snapshot has to be taken before.
fn wanted(seen: &Observed) -> Option<String> {
    let is_asked = seen.cluster.spec.upgrade.as_ref()?.pre_upgrade_snapshot == Some(true);
    let may = is_asked && !seen.is_ending();
    seen.cluster.spec.version.clone().filter(|version| may && !version.is_empty())
}

/// A Job for it, or another one after one that failed.
fn missing(seen: &Observed, draft: &Draft<'_>, wanted: String) -> Rung {
    let cause = Cause::Upgrade(wanted);
    let name = objects::job_name(seen, &cause);
    let job = seen.jobs.iter().find(|job| job.name == name);
    match job {
        _ if !has_rested(draft) => Rung::Pass,
        None => Rung::Act(Step::CreateJob(cause)),
        Some(job) if job.job.finished && !job.job.deleting => Rung::Act(job.dropped()),
        Some(_) => Rung::Pass,
    }
}

/// After a good one there is nothing to rest from.
fn has_rested(draft: &Draft<'_>) -> bool {
    let failures = draft.backup.consecutive_failures.unwrap_or_default();
    let last = draft.backup.last_attempt_time.as_ref().filter(|_| failures > 0);
    last.is_none_or(|last| draft.now.duration_since(last.0) >= AGAIN_AFTER)
}
