//! What is left behind: the Report in the termination log, and in the log for humans.

use api::conditions::Reason;
use api::task::{MAX_BYTES, Outcome, Problem, Report, WIRE_VERSION};
use std::path::Path;

/// What is said in place of problems that do not fit.
const MORE: &str = "There are more problems than fit here; all are in the log of the pod.";
/// Characters that one message keeps when the Report is too long.
const SHORT: usize = 400;

/// A Report of problems, in which nothing was changed.
pub(crate) fn refused(problems: Vec<Problem>) -> Report {
    Report {
        v: WIRE_VERSION,
        outcome: Outcome::Refused,
        problems,
        stages: Vec::new(),
        next_steps: Vec::new(),
        pinned: None,
    }
}

/// A problem with a field of the request, or with none.
pub(crate) fn problem(reason: Reason, field: Option<&str>, message: String) -> Problem {
    Problem { reason, field: field.map(ToOwned::to_owned), message }
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
fn fitted(report: &Report) -> String {
    let mut report = report.clone();
    if let Some(text) = fits(&report) {
        return text;
    }
    let problems = report.problems.iter_mut().map(|problem| &mut problem.message);
    for message in problems.chain(report.stages.iter_mut().map(|stage| &mut stage.message)) {
        if message.chars().nth(SHORT).is_some() {
            *message = message.chars().take(SHORT).chain(['…']).collect();
        }
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
            return fits(&refused(Vec::new())).unwrap_or_default();
        }
    }
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
            let problems = vec![problem(Reason::CheckFailed, Some("spec.source.key"), message); count];
            let text = fitted(&refused(problems));
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
        let report = refused(vec![problem(Reason::NotApplied, None, "Nothing was done.".to_owned())]);
        leave(&report, &file);
        assert_eq!(Report::parse(&std::fs::read_to_string(file).unwrap()).unwrap(), report);
    }
}
