//! What the plan has said anywhere: a model in which half of it is never reached would prove half of it.

use super::planner::Planner;
use plan::restore::{Step, Waiting};
use std::collections::BTreeSet;

const PHASES: [&str; 5] = ["Completed", "Failed", "Pending", "Running", "Validating"];

const STEPS: [&str; 14] = [
    "CreateJob",
    "CreateTicket",
    "DeleteJob",
    "EndRival",
    "Fence",
    "FenceRival",
    "Free",
    "Grant",
    "Guard",
    "NameJob",
    "Record",
    "ReleaseLock",
    "Retire",
    "TakeLock",
];

const WAITS: [&str; 7] = ["Check", "Lock", "Outcome", "Pods", "Proof", "Restore", "Rival"];

/// What was said, by name.
#[derive(Default)]
pub(crate) struct Coverage {
    phases: BTreeSet<String>,
    steps: BTreeSet<String>,
    waits: BTreeSet<&'static str>,
}

impl Coverage {
    /// Adds what was planned in states that were reached.
    pub(crate) fn add(&mut self, planner: &Planner) {
        for planned in planner.all() {
            self.phases.insert(format!("{:?}", planned.status.phase));
            self.steps.extend(planned.step.as_ref().map(name));
            self.waits.extend(planned.waiting.and_then(wait));
        }
    }

    pub(crate) fn assert_whole(&self) {
        assert_eq!(self.phases, PHASES.map(str::to_owned).into());
        assert_eq!(self.steps, STEPS.map(str::to_owned).into());
        assert_eq!(self.waits, WAITS.into());
        println!("reached: {} phases, {} steps, {} waits", PHASES.len(), STEPS.len(), WAITS.len());
    }
}

fn name(step: &Step) -> String {
    format!("{step:?}").chars().take_while(char::is_ascii_alphabetic).collect()
}

/// None of what is not modelled.
fn wait(waiting: Waiting) -> Option<&'static str> {
    match waiting {
        Waiting::Cluster | Waiting::Upgrade | Waiting::Leftover | Waiting::ForeignController => None,
        Waiting::Check => Some("Check"),
        Waiting::Lock => Some("Lock"),
        Waiting::Rival => Some("Rival"),
        Waiting::Restore => Some("Restore"),
        Waiting::Outcome => Some("Outcome"),
        Waiting::Proof => Some("Proof"),
        Waiting::Pods => Some("Pods"),
    }
}
