//! The plan of the product, asked once for each sight: what it says depends on nothing else.

use super::bug::Bug;
use super::sight::{MOST_PROOFS, Rival, Sight};
use super::state::{Answer, Claim, Clock, Task};
use super::status::{Status, Statuses};
use api::conditions::ConditionType;
use api::{Phase, names, task as wire};
use plan::lock::{Orphan, orphan};
use plan::restore::{Stage, Step, Waiting, plan, task};
use std::collections::HashMap;
use std::sync::RwLock;

/// What the operator is to write: the status, then the step.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) status: Status,
    pub(crate) step: Option<Step>,
    pub(crate) waiting: Option<Waiting>,
    /// What a Job that is made is told.
    pub(crate) task: Option<Task>,
}

pub(crate) struct Planner {
    bug: Option<Bug>,
    known: RwLock<(Statuses, HashMap<Sight, Planned>)>,
}

impl Planner {
    pub(crate) fn new(bug: Option<Bug>) -> Self {
        Self { bug, known: RwLock::new((Statuses::new(), HashMap::new())) }
    }

    pub(crate) fn plan(&self, sight: Sight) -> Planned {
        if let Some(planned) = self.known.read().unwrap().1.get(&sight) {
            return planned.clone();
        }
        let (statuses, plans) = &mut *self.known.write().unwrap();
        plans.entry(sight.clone()).or_insert_with(|| spoilt(self.bug, sight, statuses)).clone()
    }

    /// What is to be done about the lock of this owner.
    pub(crate) fn orphan(&self, owner: &Rival, clock: Clock) -> Orphan {
        orphan(&owner.observed(&self.known.read().unwrap().0, clock.now()), clock.now())
    }

    /// The reasons of all ends that were planned anywhere.
    pub(crate) fn ends(&self) -> Vec<String> {
        self.known.read().unwrap().0.reasons(ConditionType::Finished)
    }

    /// Whatever was planned anywhere.
    pub(crate) fn all(&self) -> Vec<Planned> {
        self.known.read().unwrap().1.values().cloned().collect()
    }
}

fn asked(sight: &Sight, statuses: &mut Statuses) -> Planned {
    let seen = sight.observed(statuses);
    let mut plan = plan(&seen, sight.clock.now());
    let task = match &plan.step {
        Some(Step::CreateJob(stage)) => task::task(&seen, *stage, sight.clock.now()).map(|task| {
            let ticket = seen.run(*stage).ticket.as_ref().map(|ticket| ticket.uid.clone());
            assert_eq!(Some(task.ticket.uid), ticket, "a Job is told the ticket that was seen");
            let ticket = if *stage == Stage::Restore { sight.objects.restore.ticket } else { None };
            Task {
                ticket: ticket.map_or(0, |ticket| ticket.uid),
                edits: sight.request.edits,
                quiet: task.proof.as_ref().is_some_and(|proof| proof.nothing_on_its_way),
                answer: task.proof.and_then(|proof| proof.answer).map(|answered| match answered.answer {
                    wire::Answer::Acknowledged => Answer::Acknowledged,
                    wire::Answer::Refused => Answer::Refused,
                    wire::Answer::Unclear => Answer::Unclear,
                }),
            }
        }),
        _ => None,
    };
    // All proofs after the first are alike.
    let name = seen.request.metadata.name.unwrap_or_default();
    if plan.status.job_name == Some(names::prove_job(&name, MOST_PROOFS + 1)) {
        plan.status.job_name = Some(names::prove_job(&name, MOST_PROOFS));
    }
    Planned { status: statuses.keep(plan.status), step: plan.step, waiting: plan.waiting, task }
}

/// The plan, with a bug put back where that is one of planning.
fn spoilt(bug: Option<Bug>, mut sight: Sight, statuses: &mut Statuses) -> Planned {
    match bug {
        Some(Bug::OverrideBeforeFencing) => sight.rival = None,
        Some(Bug::ReleaseBeforePodsEnded) => sight.pods_left = false,
        Some(Bug::ArbiterIgnored) => sight.pass_arbiter(),
        Some(Bug::NotAppliedTooEarly) => sight.quiet = true,
        Some(Bug::TicketMadeAgain) if sight.objects.restore.ticket.is_none() => {
            let mut status = statuses.get(sight.request.status);
            if status.phase == Phase::Running {
                status.phase = Phase::Validating;
                status.ticket_uid = None;
                sight.request.status = statuses.keep(status);
            }
        }
        _ => {}
    }
    let planned = asked(&sight, statuses);
    if bug == Some(Bug::CancelWithoutClaim)
        && let (Some(Step::Fence(reason)), Some(ticket)) = (&planned.step, &mut sight.objects.restore.ticket)
    {
        ticket.claim = Claim::Operator(*reason);
        return asked(&sight, statuses);
    }
    planned
}
