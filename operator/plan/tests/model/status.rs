//! The status of a request, whole, under a number: a state of the model stays small, and the plan reads back what it
//! wrote.

use api::conditions::ConditionType;
use api::{OpenBaoRestoreStatus, Phase};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::HashMap;

/// A status, and the parts of it that invariants speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Status {
    number: u16,
    pub(crate) phase: Phase,
    /// The condition `Applied`, where it is there.
    pub(crate) applied: Option<Applied>,
    /// The generation that was accepted.
    pub(crate) accepted: Option<i64>,
}

/// What the condition `Applied` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Applied {
    True,
    False,
    Unknown,
}

/// Every status that was ever planned.
pub(crate) struct Statuses {
    all: Vec<OpenBaoRestoreStatus>,
    numbers: HashMap<String, u16>,
}

impl Status {
    /// That of a request that nobody has looked at.
    pub(crate) const NEW: Self = Self { number: 0, phase: Phase::Pending, applied: None, accepted: None };
}

impl Statuses {
    pub(crate) fn new() -> Self {
        let mut statuses = Self { all: Vec::new(), numbers: HashMap::new() };
        statuses.keep(OpenBaoRestoreStatus::default());
        statuses
    }

    pub(crate) fn get(&self, status: Status) -> OpenBaoRestoreStatus {
        self.all[usize::from(status.number)].clone()
    }

    /// Every reason that a condition ever had.
    pub(crate) fn reasons(&self, kind: ConditionType) -> Vec<String> {
        let all = self.all.iter().flat_map(|status| &status.conditions);
        all.filter(|it| it.type_ == kind.as_str()).map(|it| it.reason.clone()).collect()
    }

    /// Without times and words: they decide nothing, and would make every state a new one.
    pub(crate) fn keep(&mut self, mut status: OpenBaoRestoreStatus) -> Status {
        let time = Time(Timestamp::UNIX_EPOCH);
        for condition in &mut status.conditions {
            condition.message.clear();
            condition.last_transition_time = time.clone();
        }
        status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        status.start_time = status.start_time.map(|_| time.clone());
        status.completion_time = status.completion_time.map(|_| time.clone());
        status.message = None;
        status.next_steps.clear();
        let words = serde_json::to_string(&status).unwrap();
        let next = u16::try_from(self.all.len()).unwrap();
        let number = *self.numbers.entry(words).or_insert(next);
        let (phase, applied, accepted) = (status.phase, applied(&status), status.accepted_generation);
        if number == next {
            self.all.push(status);
        }
        Status { number, phase, applied, accepted }
    }
}

fn applied(status: &OpenBaoRestoreStatus) -> Option<Applied> {
    let condition = status.conditions.iter().find(|it| it.type_ == ConditionType::Applied.as_str())?;
    Some(match condition.status.as_str() {
        "True" => Applied::True,
        "False" => Applied::False,
        _ => Applied::Unknown,
    })
}
