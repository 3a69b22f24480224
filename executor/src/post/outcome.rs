//! What an answer, or its absence, says about a POST: before its tail, and after.

use crate::openbao::{Answer, Heard, Silence};
use crate::report::short;
use std::time::Duration;

/// How a POST ended before its tail. Nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// On the way there, or at a server that does not lead or has too much to do. Another attempt on another connection may
    /// succeed, after this long.
    Again { fault: String, after: Duration },
    /// Another attempt would end the same way.
    Final(String),
    /// The same, and it is this pod that cannot send the snapshot.
    Unready(String),
    /// The same: the server's listener did not wait for the end.
    ReadTimeout(String),
}

/// What became of a POST whose ticket was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Not a byte of the tail was handed to the connection.
    Nothing(String),
    /// The server's 204 was read.
    Acknowledged,
    /// OpenBao's own refusal was read, of the kind that comes before anything is restored.
    Refused(String),
    /// Everything else.
    Unclear(String),
}

/// Refusals that OpenBao gives before it restores anything: measured on 2.7.2.
const REFUSALS: [&str; 5] = [
    "failed to decompress snapshot",
    "failed to read snapshot file",
    "failed checking integrity of snapshot",
    "hash check failed",
    "could not verify hash file",
];
/// What it says when its listener's read timeout is over.
const TIMED_OUT: &str = "i/o timeout";

impl Ended {
    /// In words.
    pub(crate) fn fault(&self) -> &str {
        match self {
            Self::Again { fault, .. }
            | Self::Final(fault)
            | Self::Unready(fault)
            | Self::ReadTimeout(fault) => fault,
        }
    }
}

impl Sent {
    /// Whether the server's listener did not wait for the end.
    pub(crate) fn was_cut(&self) -> bool {
        matches!(self, Self::Refused(fault) if fault.contains(TIMED_OUT))
    }
}

/// What was heard before the tail was sent.
pub(super) fn before_tail(heard: Heard) -> Ended {
    let answer = match heard {
        Ok(answer) => answer,
        Err(Silence::Broke(fault)) => return Ended::Again { fault, after: Duration::ZERO },
        Err(Silence::Wrong(fault)) => return Ended::Final(fault),
    };
    let fault = words(&answer);
    match answer.status {
        307 => Ended::Again { fault: format!("it does not lead: {fault}"), after: Duration::ZERO },
        429 | 502..=504 => Ended::Again { fault, after: answer.retry_after.unwrap_or_default() },
        500 if says(&answer, TIMED_OUT) => Ended::ReadTimeout(fault),
        200..300 => Ended::Final(format!("it answered before it had the whole snapshot: {fault}")),
        _ => Ended::Final(fault),
    }
}

/// What was heard after the tail was sent; none: nothing in time. A redirect is no refusal, and neither is what OpenBao did
/// not write: what stands between may have passed everything on before.
pub(super) fn after_tail(heard: Option<Heard>) -> Sent {
    let answer = match heard {
        Some(Ok(answer)) => answer,
        Some(Err(Silence::Broke(fault) | Silence::Wrong(fault))) => return Sent::Unclear(fault),
        None => return Sent::Unclear("it did not answer in time".to_owned()),
    };
    let fault = words(&answer);
    match answer.status {
        204 => Sent::Acknowledged,
        400 | 500 if REFUSALS.iter().any(|text| says(&answer, text)) => Sent::Refused(fault),
        403 if says(&answer, "permission denied") => Sent::Refused(fault),
        429 if says(&answer, "rate limit quota exceeded") => Sent::Refused(fault),
        _ => Sent::Unclear(fault),
    }
}

/// Whether it is OpenBao that says this.
fn says(answer: &Answer, text: &str) -> bool {
    answer.is_own() && answer.fault().contains(text)
}

/// The answer in words, which say whose they are.
fn words(answer: &Answer) -> String {
    let fault = short(&answer.fault());
    let is_bare = answer.body.as_str().is_some_and(str::is_empty);
    if answer.is_own() || is_bare { fault } else { format!("something before OpenBao answered {fault}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openbao::answer;

    const PAGE: &str =
        "<html>i/o timeout, permission denied, hash check failed, rate limit quota exceeded</html>";
    const CUT: &str = r#"{"errors":["1 error occurred:\n\t* failed to read snapshot file: failed to read or write snapshot data: unexpected EOF\n\n"]}"#;
    const TIMEOUT: &str = r#"{"errors":["1 error occurred:\n\t* failed to read snapshot file: failed to read or write snapshot data: read tcp a->b: i/o timeout\n\n"]}"#;
    const DENIED: &str = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
    const KEYS: &str = r#"{"errors":["could not verify hash file, possibly the snapshot is using a different set of unseal keys"]}"#;
    const QUOTA: &str =
        r#"{"errors":["request path \"sys/storage/raft/snapshot\": rate limit quota exceeded"]}"#;
    const INTERNAL: &str = r#"{"errors":["internal error"]}"#;

    /// Bug: an attempt that would succeed on another connection ends the request, one that never will is made three times,
    /// or the listener's setting is not told.
    #[test]
    fn before_the_tail_each_answer_is_final_or_another_attempt() {
        let name = |status, text: &str| match before_tail(Ok(answer(status, text))) {
            Ended::Again { .. } => "again",
            Ended::Final(_) => "final",
            Ended::Unready(_) => "unready",
            Ended::ReadTimeout(_) => "read timeout",
        };
        for (text, statuses) in [
            ("", [200, 204, 301, 400, 401, 403, 404, 405, 408, 411, 413, 500, 501, 505]),
            (PAGE, [200, 302, 303, 308, 400, 401, 403, 404, 405, 408, 411, 413, 500, 501]),
            (DENIED, [400, 403, 404, 405, 408, 411, 413, 500, 501, 505, 200, 204, 301, 101]),
        ] {
            for status in statuses {
                assert_eq!(name(status, text), "final", "{status} {text}");
            }
        }
        for text in ["", PAGE, INTERNAL, QUOTA, TIMEOUT] {
            for status in [307, 429, 502, 503, 504] {
                assert_eq!(name(status, text), "again", "{status} {text}");
            }
        }
        for text in [CUT, INTERNAL, KEYS] {
            assert_eq!(name(500, text), "final", "{text}");
        }
        assert_eq!(name(500, TIMEOUT), "read timeout");
        let (broke, wrong) = (Silence::Broke("x".to_owned()), Silence::Wrong("x".to_owned()));
        assert_eq!(before_tail(Err(broke)), Ended::Again { fault: "x".to_owned(), after: Duration::ZERO });
        assert_eq!(before_tail(Err(wrong)), Ended::Final("x".to_owned()));
    }

    /// Bug: an answer that can come after a restore began counts as a refusal, and the lock is released.
    #[test]
    fn after_the_tail_only_known_refusals_of_openbao_are_refusals() {
        let say = |status, text: &str| after_tail(Some(Ok(answer(status, text))));
        assert_eq!(say(204, ""), Sent::Acknowledged);
        for (status, text) in [(500, CUT), (500, TIMEOUT), (400, KEYS), (403, DENIED), (429, QUOTA)] {
            assert!(matches!(say(status, text), Sent::Refused(_)), "{status} {text}");
        }
        for (status, text) in [(403, CUT), (502, CUT), (400, DENIED), (500, DENIED), (503, QUOTA), (200, "")]
        {
            assert!(matches!(say(status, text), Sent::Unclear(_)), "{status} {text}");
        }
        for status in [200, 307, 400, 403, 413, 429, 500, 502, 503, 504] {
            for text in ["", PAGE, INTERNAL] {
                assert!(matches!(say(status, text), Sent::Unclear(_)), "{status} {text}");
            }
        }
        let nothing =
            [None, Some(Err(Silence::Broke("x".to_owned()))), Some(Err(Silence::Wrong("x".to_owned())))];
        assert!(nothing.into_iter().all(|heard| matches!(after_tail(heard), Sent::Unclear(_))));
        assert!(say(500, TIMEOUT).was_cut() && !say(500, CUT).was_cut());
    }

    /// Bug: the page of a proxy is told as what OpenBao says, or is all that is told.
    #[test]
    fn the_words_say_whose_they_are() {
        let fault = |status, text: &str| before_tail(Ok(answer(status, text))).fault().to_owned();
        assert_eq!(fault(403, r#"{"errors":["permission denied"]}"#), "403 permission denied");
        assert_eq!(fault(403, "<html>\n denied"), "something before OpenBao answered 403 <html> denied");
        assert_eq!(fault(413, ""), "413");
        assert_eq!(fault(307, ""), "it does not lead: 307");
        assert!(fault(413, &"x".repeat(100_000)).len() < 1000);
    }
}
