//! What is ours of the cluster's status as it will be, and what people are told.

use super::ledger::Attempt;
use super::observed::Observed;
use super::{Plan, Step, Waiting, objects, times};
use crate::condition::{self, Truth};
use api::BackupStatus;
use api::backup::PreUpgrade;
use api::conditions::{Condition, ConditionType, Reason};
use api::names;
use api::task::{BackupMade, Pinned};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Conditions of a cluster that are about its backups.
pub const CONDITIONS: [ConditionType; 3] =
    [ConditionType::BackupHealthy, ConditionType::BackupScheduled, ConditionType::PreUpgradeSnapshotReady];
/// Longest text of a failure, in characters.
const LONGEST: usize = 1000;

/// The part of a cluster's status that is about backups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// `status.backup`.
    pub backup: BackupStatus,
    /// Conditions of ours.
    pub conditions: Vec<Condition>,
}

/// What people are told, as an event on the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Reason of the event.
    pub reason: &'static str,
    /// In whole sentences.
    pub message: String,
    /// Whether somebody has to do something.
    pub warning: bool,
}

/// How a backup ended.
pub(super) enum Verdict {
    /// It stands in the store.
    Good(Box<BackupMade>, Pinned),
    /// It does not.
    Bad(Reason, String),
}

pub(super) struct Draft<'a> {
    seen: &'a Observed,
    pub(super) now: Timestamp,
    pub(super) backup: BackupStatus,
    before: Written,
    conditions: Vec<Condition>,
    told: Vec<Told>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(seen: &'a Observed, now: Timestamp) -> Self {
        let all = seen.cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let is_ours = |condition: &&Condition| CONDITIONS.iter().any(|kind| kind.as_str() == condition.type_);
        let conditions: Vec<Condition> = all.iter().filter(is_ours).cloned().collect();
        let backup = seen.status();
        let before = Written { backup: backup.clone(), conditions: conditions.clone() };
        let mut draft = Self { seen, now, backup, before, conditions, told: Vec::new() };
        draft.schedule();
        draft
    }

    /// When backups are made, and whether one was.
    fn schedule(&mut self) {
        let Some(spec) = self.seen.spec() else {
            self.backup.next_scheduled_backup = None;
            if !self.conditions.is_empty() {
                let message = "spec.backup is not set: no backup is made.";
                self.set(ConditionType::BackupScheduled, Truth::False, Reason::NotConfigured, message);
            }
            return;
        };
        let suspended = objects::is_suspended(self.seen, spec, self.now);
        let goes = !suspended && !self.seen.is_kept_out();
        let foreign = self.seen.foreign(self.now);
        // What another controller says is left as it is: by that it is known to be there.
        if foreign.is_none() {
            let next = times::next(spec, self.seen.own_cron_job(), self.now).filter(|_| goes);
            self.backup.next_scheduled_backup = next.map(Time);
        }
        let (truth, reason, message) = match (&spec.schedule, spec.suspend, foreign) {
            (_, _, Some(foreign)) => {
                let (reason, message) = foreign.told(self.now);
                (Truth::False, reason, message)
            }
            _ if self.seen.is_kept_out() => {
                let cron_job = names::backup_cron_job(self.seen.name());
                let message = format!(
                    "CronJob {cron_job} is there and was not made for this cluster: no backup is made. Remove it, or give \
                     it another name."
                );
                (Truth::False, Reason::LeftoverExists, message)
            }
            (None, ..) => (
                Truth::False,
                Reason::ManualOnly,
                "There is no schedule; backups are made by hand.".to_owned(),
            ),
            (_, true, _) => {
                (Truth::False, Reason::ScheduleSuspended, "The schedule is suspended.".to_owned())
            }
            (Some(schedule), ..) => {
                let zone = spec.time_zone.as_deref().unwrap_or("UTC");
                (
                    Truth::True,
                    Reason::Scheduled,
                    format!("Backups are made by the schedule {schedule:?} in {zone}."),
                )
            }
        };
        self.set(ConditionType::BackupScheduled, truth, reason, &message);
        self.backup.consecutive_failures.get_or_insert(0);
        let healthy = ConditionType::BackupHealthy.as_str();
        if self.conditions.iter().all(|condition| condition.type_ != healthy) {
            let message = "No backup has been tried yet.";
            self.set(ConditionType::BackupHealthy, Truth::Unknown, Reason::NoBackupYet, message);
        }
    }

    /// Sets a condition; its time changes only with its status.
    pub(super) fn set(&mut self, kind: ConditionType, truth: Truth, reason: Reason, message: &str) {
        let generation = self.seen.cluster.metadata.generation;
        condition::set(&mut self.conditions, (kind, truth), (reason, message), generation, self.now);
    }

    /// Nothing is said any more of what is over.
    pub(super) fn unset(&mut self, kind: ConditionType) {
        self.conditions.retain(|condition| condition.type_ != kind.as_str());
    }

    pub(super) fn tell(&mut self, reason: &'static str, warning: bool, message: String) {
        self.told.push(Told { reason, message, warning });
    }

    /// What became of an attempt; it is counted once, since the status then names it as the last.
    pub(super) fn record(&mut self, attempt: &Attempt, verdict: Verdict) {
        self.backup.last_attempt_time = Some(attempt.at.clone());
        self.backup.last_attempt_scheduled_time.clone_from(&attempt.slot);
        match verdict {
            Verdict::Good(made, pinned) => self.good(attempt, *made, pinned),
            Verdict::Bad(reason, message) => self.bad(attempt, reason, &message),
        }
    }

    fn good(&mut self, attempt: &Attempt, made: BackupMade, pinned: Pinned) {
        let took = made.finished.0.duration_since(made.started.0).max(SignedDuration::ZERO);
        let pruned = &made.pruned;
        let mut message = format!("{} with {} bytes was verified and stored.", made.key, pinned.size);
        if pruned.backups + pruned.leftovers > 0 {
            let (backups, leftovers) = (pruned.backups, pruned.leftovers);
            let keys =
                if pruned.keys.is_empty() { String::new() } else { format!(": {}", pruned.keys.join(", ")) };
            message =
                format!("{message} Retention deleted {backups} backups and {leftovers} leftovers{keys}.");
        }
        for remark in [&made.remark, &pruned.remark].into_iter().flatten() {
            message = format!("{message} {remark}");
        }
        self.tell("BackupMade", false, message.clone());
        self.set(ConditionType::BackupHealthy, Truth::True, Reason::BackupMade, &message);
        if let Some(target_version) = attempt.upgrade.clone() {
            let key = made.key.clone();
            self.backup.pre_upgrade =
                Some(PreUpgrade { target_version, key, time: Some(made.finished.clone()) });
        }
        self.backup.consecutive_failures = Some(0);
        self.backup.last_backup_time = Some(made.finished);
        self.backup.last_backup_name = Some(made.key);
        self.backup.last_backup_size = i64::try_from(pinned.size).ok();
        self.backup.last_backup_digest = Some(pinned.sha256);
        self.backup.last_backup_duration = Some(go_duration(took));
        self.backup.server_version = made.server_version;
    }

    fn bad(&mut self, attempt: &Attempt, reason: Reason, message: &str) {
        let failures = self.backup.consecutive_failures.unwrap_or_default().saturating_add(1);
        self.backup.consecutive_failures = Some(failures);
        let text: String = format!("{}: {message}", reason.as_str()).chars().take(LONGEST).collect();
        self.backup.last_failure_reason = Some(text);
        let message: String = message.chars().take(LONGEST).collect();
        self.set(ConditionType::BackupHealthy, Truth::False, reason, &message);
        self.tell("BackupFailed", true, format!("Job {}: {message}", attempt.job));
    }

    /// A time of the schedule goes by.
    pub(super) fn skip(&mut self, slot: Timestamp, why: &str) {
        self.backup.last_skipped_time = Some(Time(slot));
        self.backup.last_skip_reason = Some(why.to_owned());
        self.tell("BackupSkipped", true, format!("The backup of {slot} was skipped: {why}"));
    }

    pub(super) fn plan(self, step: Option<Step>, waiting: Option<Waiting>) -> Plan {
        let status = Written { backup: self.backup.clone(), conditions: self.conditions.clone() };
        let status = (status != self.before).then_some(status);
        Plan { status, step, waiting, told: self.told }
    }
}

/// As Go writes it: `1m2.5s`.
fn go_duration(took: SignedDuration) -> String {
    let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
    let tenths = took.subsec_millis() / 100;
    let seconds = if tenths > 0 { format!("{seconds}.{tenths}s") } else { format!("{seconds}s") };
    if minutes > 0 { format!("{minutes}m{seconds}") } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_one_that_go_reads() {
        for (milliseconds, text) in [(0, "0s"), (2_340, "2.3s"), (60_000, "1m0s"), (3_723_400, "62m3.4s")] {
            let took = SignedDuration::from_millis(milliseconds);
            assert_eq!(go_duration(took), text);
            assert!(api::duration::parse(text).is_some());
        }
    }
}
