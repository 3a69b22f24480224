//! Before anything is touched: the check, the lock, the ticket.

use super::draft::{Draft, Truth};
use super::observed::OVERRODE;
use super::{
    Observed, Rung, Stage, Step, Waiting, arbiter, is_unstarted, missing, overriding, past_deadline,
};
use api::conditions::{ConditionType, Reason};
use api::names;
use api::task::{Outcome, Report};

pub(super) fn checked(seen: &Observed, draft: &mut Draft) -> Rung {
    let run = &seen.check;
    if let Some(report) = run.report() {
        return judged(seen, report, draft);
    }
    draft.status.job_name = Some(names::check_job(seen.name()));
    if let Some(step) = missing(run, Stage::Check) {
        return Rung::Act(step);
    }
    match &run.job {
        None => Rung::Fail(
            Reason::JobDeleted,
            "The check Job was deleted before it reported. Nothing was touched. Create a new OpenBaoRestore."
                .to_owned(),
        ),
        Some(job) if job.finished => Rung::Fail(
            Reason::CheckFailed,
            format!(
                "The check Job ended without a report: {}. Nothing was touched. See its pod's log, then create a \
                 new OpenBaoRestore.",
                job.failure.as_deref().unwrap_or("no reason given")
            ),
        ),
        Some(_) if is_unstarted(run, draft.now()) => Rung::Fail(
            Reason::PodNotStarted,
            format!(
                "The pod of the check Job did not start within 5 minutes: {}. Nothing was touched. Mend that, then \
                 create a new OpenBaoRestore.",
                run.pods.stuck.as_deref().unwrap_or("no pod says why; see the events of the Job")
            ),
        ),
        Some(_) => {
            let message = "Every byte of the snapshot, the servers and the credentials are being checked.";
            Rung::Wait(Waiting::Check, message.to_owned())
        }
    }
}

fn judged(seen: &Observed, report: &Report, draft: &mut Draft) -> Rung {
    draft.adopt(report);
    let (Outcome::Done, Some(pinned), Some(_)) = (report.outcome, &report.pinned, &report.checked) else {
        let reason = report.problems.first().map_or(Reason::CheckFailed, |problem| problem.reason);
        return Rung::Fail(reason, format!("{} Nothing was touched.", report.told()));
    };
    draft.status.snapshot_key = Some(seen.request.spec.source.key.clone());
    draft.status.snapshot_size = i64::try_from(pinned.size).ok();
    draft.status.snapshot_digest = Some(pinned.sha256.clone());
    Rung::Pass
}

/// What was checked is no longer what would be overwritten.
pub(super) fn not_superseded(seen: &Observed, _: &mut Draft) -> Rung {
    let Some(record) = seen.superseded() else { return Rung::Pass };
    let message = format!(
        "OpenBaoRestore {} replaced the data of the cluster, or may have ({}), after this request had been checked. What \
         was checked is about other data. Nothing was touched. Create a new OpenBaoRestore, if it is still wanted.",
        record.name, record.outcome
    );
    Rung::Fail(Reason::Superseded, message)
}

/// The lock comes after the check, so that nothing is blocked while bytes are read.
pub(super) fn locked(seen: &Observed, draft: &mut Draft) -> Rung {
    let is_late = past_deadline(seen, draft.now());
    let spec = &seen.request.spec;
    match seen.lock() {
        Some(lock) if !seen.lock_is_ours() && (is_late || !spec.force || !spec.override_operation_lock) => {
            let message = format!("{} holds the lock of the cluster for {}.", lock.holder, lock.operation);
            draft.set(ConditionType::LockHeld, Truth::False, Reason::LockHeldByOther, &message);
            Rung::Wait(Waiting::Lock, message)
        }
        _ if is_late => {
            let message = "The check ended after startingDeadlineSeconds. Nothing was touched. Create a new OpenBaoRestore.";
            Rung::Fail(Reason::DeadlineExceeded, message.to_owned())
        }
        None => arbiter::then_lock(seen, draft),
        Some(_) if seen.lock_is_ours() => {
            hold(seen, draft);
            Rung::Pass
        }
        Some(lock) => overriding::overridden(seen, lock, draft),
    }
}

fn hold(seen: &Observed, draft: &mut Draft) {
    let was_overridden = seen.lock().and_then(|lock| lock.message.as_deref());
    let before = was_overridden.and_then(|message| message.split_once(OVERRODE)).map(|(_, before)| before);
    let (reason, message) = before.map_or_else(
        || (Reason::LockAcquired, "The operation lock is ours.".to_owned()),
        |before| (Reason::LockOverridden, format!("The operation lock is ours; it was taken from {before}")),
    );
    draft.set(ConditionType::LockHeld, Truth::True, reason, &message);
}

/// The last rung before Running: once the ticket is in status, it is never made again.
pub(super) fn ticket(seen: &Observed, draft: &mut Draft) -> Rung {
    let Some(ticket) = &seen.restore.ticket else { return Rung::Act(Step::CreateTicket(Stage::Restore)) };
    draft.status.ticket_uid = Some(ticket.uid.clone());
    draft.status.job_name = Some(names::restore_job(seen.name()));
    draft.enter(api::Phase::Running);
    Rung::Act(Step::Grant(Stage::Restore))
}
