//! Whether the servers have the keys that a snapshot is sealed with, by the answer to the dry run.

use super::Answer;

/// The verdict of the dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// The servers have the snapshot's keys.
    Same,
    /// They have others.
    Other,
    /// The answer tells neither.
    Inconclusive(String),
}

/// Reads the answer: measured on 2.7.2 for Shamir and static seals.
pub(crate) fn judge_seal(answer: &Answer) -> Seal {
    let fault = answer.fault();
    match answer.status {
        400 if fault.contains("could not verify hash file") => Seal::Other,
        500 if fault.contains("hash check failed for") => Seal::Same,
        _ => Seal::Inconclusive(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openbao::answer;

    /// Bug: any refusal counts as other keys, or any as the same.
    #[test]
    fn only_the_two_known_answers_decide() {
        let other = "could not verify hash file, possibly the snapshot is using a different set of unseal keys; use the snapshot-force API to bypass this check";
        let same = r#"{"errors":["1 error occurred:\n\t* failed to read snapshot file: failed checking integrity of snapshot: hash check failed for \"state.bin\"\n\n"]}"#;
        assert_eq!(judge_seal(&answer(400, &format!(r#"{{"errors":["{other}"]}}"#))), Seal::Other);
        assert_eq!(judge_seal(&answer(400, other)), Seal::Other);
        let auto = "could not verify hash file, possibly the snapshot is using a different autoseal key; use the snapshot-force API to bypass this check";
        assert_eq!(judge_seal(&answer(400, &format!(r#"{{"errors":["{auto}"]}}"#))), Seal::Other);
        assert_eq!(judge_seal(&answer(500, same)), Seal::Same);
        for (status, text) in [(204, ""), (400, same), (500, other), (403, "permission denied"), (503, "")] {
            assert!(matches!(judge_seal(&answer(status, text)), Seal::Inconclusive(_)), "{status}");
        }
    }
}
