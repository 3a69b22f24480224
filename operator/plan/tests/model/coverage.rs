//! What the plan has said anywhere: a model in which half of it is never reached would prove half of it.

use super::protocol::Protocol;
use plan::proof::{Applied, Doubt, NotApplied, Verdict};
use plan::restore::{Step, Waiting};
use std::collections::{BTreeSet, HashSet};

const PHASES: [&str; 5] = ["Completed", "Failed", "Pending", "Running", "Validating"];

const STEPS: [&str; 16] = [
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
    "ReleaseArbiter",
    "ReleaseLock",
    "Retire",
    "TakeArbiter",
    "TakeLock",
];

const WAITS: [&str; 9] =
    ["Check", "Lock", "OpenBao", "Outcome", "Pods", "Proof", "Proving", "Restore", "Rival"];

/// The reasons for which a request ends; what the check finds out is not modelled.
const ENDS: [&str; 14] = [
    "Abandoned",
    "Cancelled",
    "DeadlineExceeded",
    "GenerationChanged",
    "JobDeleted",
    "JobFailed",
    "LockLost",
    "LockOverridden",
    "NamespaceTerminating",
    "NotApplied",
    "PodNotStarted",
    "Proved",
    "Settled",
    "Superseded",
];

/// Reached only among many states: the ticket of a request is fenced by a look that knows of no such request.
const RARE_END: &str = "OwnerGone";

/// Every verdict that there is.
const VERDICTS: [Verdict; 10] = [
    Verdict::Applied(Applied::Marker),
    Verdict::Applied(Applied::Watched),
    Verdict::NotApplied(NotApplied::TailKept),
    Verdict::NotApplied(NotApplied::Refused),
    Verdict::NotApplied(NotApplied::MarkerStays),
    Verdict::Unknown(Doubt::NoAnswer),
    Verdict::Unknown(Doubt::OnItsWay),
    Verdict::Unknown(Doubt::Replaced),
    Verdict::Unknown(Doubt::NoMarker),
    Verdict::Unknown(Doubt::OtherCluster),
];

/// What was said, by name.
#[derive(Default)]
pub(crate) struct Coverage {
    phases: BTreeSet<String>,
    steps: BTreeSet<String>,
    waits: BTreeSet<&'static str>,
    ends: BTreeSet<String>,
    verdicts: HashSet<Verdict>,
}

impl Coverage {
    /// Adds what was planned, and judged, in states that were reached.
    pub(crate) fn add(&mut self, protocol: &Protocol) {
        self.verdicts.extend(protocol.verdicts.read().unwrap().iter());
        self.ends.extend(protocol.planner.ends());
        for planned in protocol.planner.all() {
            self.phases.insert(format!("{:?}", planned.status.phase));
            self.steps.extend(planned.step.as_ref().map(name));
            self.waits.extend(planned.waiting.and_then(wait));
        }
    }

    pub(crate) fn assert_planned(&self) {
        assert_eq!(self.phases, PHASES.map(str::to_owned).into());
        assert_eq!(self.steps, STEPS.map(str::to_owned).into());
        assert_eq!(self.waits, WAITS.into());
        let mut ends = self.ends.clone();
        ends.remove(RARE_END);
        assert_eq!(ends, ENDS.map(str::to_owned).into());
        let counts = (PHASES.len(), STEPS.len(), WAITS.len(), ENDS.len());
        println!("reached: {} phases, {} steps, {} waits, {} ends", counts.0, counts.1, counts.2, counts.3);
    }

    pub(crate) fn assert_judged(&self) {
        assert_eq!(self.verdicts, VERDICTS.into());
        println!("reached: {} verdicts", VERDICTS.len());
    }
}

fn name(step: &Step) -> String {
    format!("{step:?}").chars().take_while(char::is_ascii_alphabetic).collect()
}

/// None of what is not modelled.
fn wait(waiting: Waiting) -> Option<&'static str> {
    match waiting {
        Waiting::Cluster | Waiting::Upgrade | Waiting::Leftover | Waiting::ForeignController => None,
        Waiting::OpenBao => Some("OpenBao"),
        Waiting::Check => Some("Check"),
        Waiting::Lock => Some("Lock"),
        Waiting::Rival => Some("Rival"),
        Waiting::Restore => Some("Restore"),
        Waiting::Proving => Some("Proving"),
        Waiting::Outcome => Some("Outcome"),
        Waiting::Proof => Some("Proof"),
        Waiting::Pods => Some("Pods"),
    }
}
