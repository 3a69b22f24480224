//! Thresholds of probes.

use k8s_openapi::api::core::v1::Probe;

/// Counts answers in a row and says when the verdict turns.
#[derive(Debug)]
pub(super) struct Tally {
    verdict: Option<bool>,
    last: bool,
    in_a_row: i32,
    successes: i32,
    failures: i32,
}

impl Tally {
    /// `verdict` is what holds before the first answer.
    pub(super) fn new(probe: &Probe, verdict: Option<bool>) -> Self {
        Self {
            verdict,
            last: false,
            in_a_row: 0,
            successes: probe.success_threshold.unwrap_or(1),
            failures: probe.failure_threshold.unwrap_or(3),
        }
    }

    /// The new verdict, if `success` turned it.
    pub(super) fn count(&mut self, success: bool) -> Option<bool> {
        self.in_a_row = if success == self.last { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = success;
        let needed = if success { self.successes } else { self.failures };
        if self.in_a_row < needed || self.verdict == Some(success) {
            return None;
        }
        self.verdict = Some(success);
        Some(success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(start: Option<bool>, answers: &[bool]) -> Vec<Option<bool>> {
        let probe = Probe { success_threshold: Some(2), failure_threshold: Some(3), ..Probe::default() };
        let mut tally = Tally::new(&probe, start);
        answers.iter().map(|answer| tally.count(*answer)).collect()
    }

    #[test]
    fn only_answers_in_a_row_turn_the_verdict() {
        assert_eq!(
            verdicts(Some(false), &[true, false, true, true, true]),
            [None, None, None, Some(true), None]
        );
        assert_eq!(
            verdicts(Some(true), &[false, false, true, false, false, false]),
            [None, None, None, None, None, Some(false)]
        );
    }

    #[test]
    fn a_verdict_that_is_open_can_turn_to_failure() {
        assert_eq!(verdicts(None, &[false, false, false]), [None, None, Some(false)]);
    }
}
