//! The status as it will be: what was, changed rung by rung.

use super::{Plan, Step, Waiting};
use crate::condition;
pub(super) use crate::condition::Truth;
use api::conditions::{Condition, ConditionType, Reason};
use api::task::Report;
use api::{OpenBaoRestore, OpenBaoRestoreStatus, Phase};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub(super) struct Draft {
    pub(super) status: OpenBaoRestoreStatus,
    now: Timestamp,
    generation: i64,
    in_doubt: bool,
}

impl Draft {
    pub(super) fn new(request: &OpenBaoRestore, now: Timestamp) -> Self {
        let mut status = request.status.clone().unwrap_or_default();
        // The schema's default says that nobody has looked yet; now somebody has.
        status.observed_generation = status.observed_generation.filter(|generation| *generation >= 0);
        Self { status, now, generation: request.metadata.generation.unwrap_or_default(), in_doubt: false }
    }

    pub(super) fn phase(&self) -> Phase {
        self.status.phase
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        if phase == Phase::Validating && self.status.start_time.is_none() {
            self.status.start_time = Some(Time(self.now));
        }
        self.status.phase = phase;
    }

    /// Sets a condition; its time changes only with its status.
    pub(super) fn set(&mut self, kind: ConditionType, truth: Truth, reason: Reason, message: &str) {
        let conditions = &mut self.status.conditions;
        condition::set(conditions, (kind, truth), (reason, message), Some(self.generation), self.now);
    }

    /// Turns what a pod found out into conditions and next steps.
    pub(super) fn adopt(&mut self, report: &Report) {
        self.status.next_steps.clone_from(&report.next_steps);
        for finding in &report.stages {
            let truth = match finding.holds {
                Some(true) => Truth::True,
                Some(false) => Truth::False,
                None => Truth::Unknown,
            };
            self.set(finding.stage, truth, finding.reason, &finding.message);
        }
    }

    fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.type_ == kind.as_str())
    }

    pub(super) fn says(&self, kind: ConditionType, truth: Truth) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == truth.as_str())
    }

    pub(super) fn act(mut self, step: Step) -> Plan {
        if !self.phase().is_terminal() && !self.in_doubt {
            let message = "The request is being worked on.";
            self.working(Reason::Accepted, message);
            self.status.message = Some(message.to_owned());
        }
        self.plan(Some(step), None)
    }

    pub(super) fn wait(mut self, waiting: Waiting, message: String) -> Plan {
        if self.phase().is_terminal() {
            return self.plan(None, Some(waiting));
        }
        if waiting.is_doubt() {
            self.stay_in_doubt(&message);
        } else {
            self.working(waiting.reason(), &message);
            self.status.message = Some(message);
        }
        self.plan(None, Some(waiting))
    }

    /// Nobody can tell yet whether the snapshot was applied, whatever is written next to find out. The condition `Applied`
    /// says why, by [`Self::doubt`].
    pub(super) fn stay_in_doubt(&mut self, message: &str) {
        self.kstatus([Truth::Unknown, Truth::False, Truth::True], Reason::OutcomeUnknown, message);
        self.status.message = Some(message.to_owned());
    }

    /// Nobody can tell whether the snapshot was applied, and it stays so when the request ends.
    pub(super) fn doubt(&mut self, message: &str) {
        self.in_doubt = true;
        self.set(ConditionType::Applied, Truth::Unknown, Reason::OutcomeUnknown, message);
    }

    /// Why it is in doubt, as it was told last.
    pub(super) fn doubted(&self) -> Option<String> {
        let told = self.condition(ConditionType::Applied)?;
        (told.reason == Reason::OutcomeUnknown.as_str()).then(|| told.message.clone())
    }

    /// The request fails; unless that is in doubt, the cluster's data are as they were.
    pub(super) fn fail(mut self, reason: Reason, message: String) -> Plan {
        self.status.phase = Phase::Failed;
        self.status.completion_time = Some(Time(self.now));
        if !self.in_doubt {
            self.set(ConditionType::Applied, Truth::False, reason, &message);
        }
        self.set(ConditionType::Finished, Truth::True, reason, &message);
        self.kstatus([Truth::False, Truth::False, Truth::True], reason, &message);
        self.status.message = Some(message);
        self.plan(None, None)
    }

    /// The restore is done, as the cluster has proved or a human has settled.
    pub(super) fn complete(&mut self, reason: Reason, message: &str) {
        self.status.phase = Phase::Completed;
        self.status.completion_time = Some(Time(self.now));
        // The executor says by what it was proved.
        if !self.says(ConditionType::Applied, Truth::True) {
            self.set(ConditionType::Applied, Truth::True, reason, message);
        }
        self.set(ConditionType::Finished, Truth::True, reason, message);
        self.kstatus([Truth::True, Truth::False, Truth::False], reason, message);
        self.status.message = Some(message.to_owned());
    }

    pub(super) fn rest(self) -> Plan {
        self.plan(None, None)
    }

    fn working(&mut self, reason: Reason, message: &str) {
        self.kstatus([Truth::False, Truth::True, Truth::False], reason, message);
    }

    /// The three that kstatus reads; never Reconciling beside Stalled.
    fn kstatus(&mut self, [ready, reconciling, stalled]: [Truth; 3], reason: Reason, message: &str) {
        self.set(ConditionType::Ready, ready, reason, message);
        self.set(ConditionType::Reconciling, reconciling, reason, message);
        self.set(ConditionType::Stalled, stalled, reason, message);
    }

    fn plan(mut self, step: Option<Step>, waiting: Option<Waiting>) -> Plan {
        self.status.observed_generation = Some(self.generation);
        Plan { status: self.status, step, waiting }
    }
}
