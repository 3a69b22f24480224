//! What was found, and what is left behind: the Report on the ticket, in the termination log, and in the log for humans.

use crate::steps;
use api::conditions::{ConditionType, Reason};
use api::task::{
    Checked, MAX_BYTES, Origin, Outcome, Pinned, Problem, Report, StageFinding, Task, TaskKind, WIRE_VERSION,
};
use std::error::Error;
use std::path::Path;

/// What is said in place of problems that do not fit.
const MORE: &str = "There are more problems than fit here; all are in the log of the pod.";
/// Characters that one message keeps when the Report is too long.
const SHORT: usize = 400;

/// An error that concerns the request: its text says what happened and what to do.
pub(crate) trait Fault: Error {
    /// Stable reason.
    fn reason(&self) -> Reason;
    /// The field of the request that it concerns, where it is one.
    fn field(&self) -> Option<String>;
    /// Whether the same request could succeed another time, as it is.
    fn is_passing(&self) -> bool;
    /// The command that shows or mends what is wrong.
    fn next_step(&self, task: &Task) -> String {
        anew(task, self.field())
    }
}

/// The command that begins anew, after a field was corrected.
pub(crate) fn anew(task: &Task, field: Option<String>) -> String {
    steps::new_request(task, field.and_then(|field| located(task, field)).as_deref())
}

/// Where a field of a request stands in what this Task is done for; a backup has no object that it is about.
fn located(task: &Task, field: String) -> Option<String> {
    if task.kind != TaskKind::Backup {
        return Some(field);
    }
    let inner = field.strip_prefix("spec.")?;
    let inner = inner.strip_prefix("source.").unwrap_or(inner);
    (!matches!(inner, "cluster" | "key" | "sha256" | "force")).then(|| format!("spec.backup.{inner}"))
}

/// Everything found so far. What was found by several at once is put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    problems: Vec<Problem>,
    refused: bool,
    stages: Vec<StageFinding>,
    pub(crate) next_steps: Vec<String>,
    pub(crate) pinned: Option<Pinned>,
    pub(crate) origin: Option<Origin>,
    pub(crate) checked: Option<Checked>,
}

impl Findings {
    /// One problem, and what it means for a stage.
    pub(crate) fn of(task: &Task, stage: ConditionType, fault: &impl Fault) -> Self {
        let mut findings = Self::told(task, fault);
        findings.stage(stage, Some(false), fault.reason(), fault.to_string());
        findings
    }

    /// One problem that is about no stage.
    pub(crate) fn told(task: &Task, fault: &impl Fault) -> Self {
        let mut findings = Self::default();
        findings.fault(task, fault);
        findings
    }

    /// Whether the same Task could succeed another time, as it is.
    pub(crate) const fn are_passing(&self) -> bool {
        !self.refused
    }

    pub(crate) fn fault(&mut self, task: &Task, fault: &impl Fault) {
        self.refused |= !fault.is_passing();
        self.problems.push(Problem {
            reason: fault.reason(),
            field: fault.field().and_then(|field| located(task, field)),
            message: fault.to_string(),
        });
        let step = fault.next_step(task);
        if !self.next_steps.contains(&step) {
            self.next_steps.push(step);
        }
    }

    /// What was found about a stage. Of several things the worse stay.
    pub(crate) fn stage(
        &mut self,
        stage: ConditionType,
        holds: Option<bool>,
        reason: Reason,
        message: String,
    ) {
        self.add(StageFinding { stage, holds, reason, message });
    }

    fn add(&mut self, new: StageFinding) {
        let badness = |holds| match holds {
            Some(true) => 0,
            None => 1,
            Some(false) => 2,
        };
        match self.stages.iter_mut().find(|old| old.stage == new.stage) {
            Some(old) if badness(old.holds) < badness(new.holds) => *old = new,
            Some(old) if old.holds == new.holds => old.message = format!("{} {}", old.message, new.message),
            Some(_) => {}
            None => self.stages.push(new),
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.refused |= other.refused;
        other.stages.into_iter().for_each(|stage| self.add(stage));
        self.next_steps.extend(other.next_steps);
        self.pinned = other.pinned.or(self.pinned.take());
        self.origin = other.origin.or(self.origin.take());
        self.checked = other.checked.or(self.checked.take());
    }

    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// The Report of a Task that changed nothing.
    pub(crate) fn unchanged(self) -> Report {
        let outcome = match (self.has_problems(), self.refused) {
            (false, _) => Outcome::Done,
            (true, false) => Outcome::Failed,
            (true, true) => Outcome::Refused,
        };
        self.ended(outcome)
    }

    pub(crate) fn ended(self, outcome: Outcome) -> Report {
        let Self { problems, refused: _, stages, next_steps, pinned, origin, checked } = self;
        let v = WIRE_VERSION;
        Report { v, outcome, problems, stages, next_steps, pinned, origin, checked, backup: None }
    }
}

/// A Report of one problem that no field of the request has.
pub(crate) fn ended(outcome: Outcome, reason: Reason, message: String) -> Report {
    let problems = vec![Problem { reason, field: None, message }];
    Report { problems, ..Findings::default().ended(outcome) }
}

/// What an HTTP client says is wrong, without the URL, which is told beside it.
pub(crate) fn fault(error: reqwest::Error) -> String {
    told(&error.without_url())
}

/// An error with all its causes: the outermost alone often says nothing.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}

/// The error of this type among the causes of another.
pub(crate) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Logs the Report, and writes it where the operator reads it. A file that cannot be written changes nothing about what
/// was done: the exit code still tells.
pub(crate) fn leave(report: &Report, file: &Path) {
    for problem in &report.problems {
        tracing::error!(reason = problem.reason.as_str(), field = problem.field, "{}", problem.message);
    }
    let text = fitted(report);
    tracing::info!(report = text, "the Task has ended");
    if let Err(error) = std::fs::write(file, &text) {
        tracing::error!(file = %file.display(), %error, "the Report could not be written; only the exit code tells");
    }
}

/// The Report as JSON of at most [`MAX_BYTES`]: long messages are cut, then the last of what there is several of goes.
pub(crate) fn fitted(report: &Report) -> String {
    let mut report = report.clone();
    if let Some(text) = fits(&report) {
        return text;
    }
    let problems = report.problems.iter_mut().map(|problem| &mut problem.message);
    let stages = report.stages.iter_mut().map(|stage| &mut stage.message);
    let remarks = report.backup.iter_mut().flat_map(|made| [&mut made.remark, &mut made.pruned.remark]);
    for message in problems.chain(stages).chain(remarks.flatten()) {
        *message = short(message);
    }
    // What was made is never left out; which others went is in the log too.
    if fits(&report).is_none()
        && let Some(made) = &mut report.backup
    {
        made.pruned.keys.clear();
    }
    loop {
        if let Some(text) = fits(&report) {
            return text;
        }
        if report.problems.len() > 1 {
            report.problems.pop();
            if let Some(last) = report.problems.last_mut() {
                MORE.clone_into(&mut last.message);
            }
        } else if report.stages.pop().is_none() && report.next_steps.pop().is_none() {
            let rest = Findings::default().ended(report.outcome);
            let Report { backup, pinned, origin, checked, .. } = report;
            let rest = Report { backup, pinned, origin, checked, ..rest };
            return fits(&rest).unwrap_or_default();
        }
    }
}

/// Its beginning, where it is long.
pub(crate) fn short(text: &str) -> String {
    if text.chars().nth(SHORT).is_none() {
        return text.to_owned();
    }
    text.chars().take(SHORT).chain(['…']).collect()
}

fn fits(report: &Report) -> Option<String> {
    serde_json::to_string(report).ok().filter(|text| text.len() <= MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: the kubelet cuts a longer text in the middle, and the operator cannot read the rest.
    #[test]
    fn a_long_report_stays_readable() {
        for (count, length) in [(1, 10_000), (3, 3_000), (100, 300), (1, 10)] {
            let message = "é\"".repeat(length / 2);
            let mut report = ended(Outcome::Refused, Reason::CheckFailed, message);
            report.problems = vec![report.problems[0].clone(); count];
            let text = fitted(&report);
            let read = Report::parse(&text).unwrap();
            assert_eq!(read.outcome, Outcome::Refused);
            assert!(!read.problems.is_empty());
            assert_eq!(read.problems.len() < count, text.contains(MORE), "{count} of {length}");
        }
    }

    #[test]
    fn the_report_is_left_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let report = ended(Outcome::Refused, Reason::NotApplied, "Nothing was done.".to_owned());
        leave(&report, &file);
        assert_eq!(Report::parse(&std::fs::read_to_string(file).unwrap()).unwrap(), report);
    }
}
