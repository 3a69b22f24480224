//! The one POST of a restore: begun soon after the claim or not at all, and never tried again.

use crate::openbao::{Answer, Session, answer};
use crate::progress::Progress;
use crate::report::fault;
use futures::StreamExt;
use reqwest::Body;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::fs::File;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

/// Longest time from the claim to the first byte.
const FIRST_BYTE: Duration = Duration::from_secs(10);
/// Bytes read from the file at once.
const CHUNK: usize = 256 * 1024;

/// What became of the POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Not a byte of the snapshot was sent.
    Nothing(String),
    /// The server's 204 was read.
    Acknowledged,
    /// The server's refusal was read, of the kind that comes before anything is restored.
    Refused(String),
    /// Everything else.
    Unclear(String),
}

/// One snapshot and where it goes.
pub(crate) struct Upload<'a> {
    pub(crate) session: &'a Session,
    pub(crate) path: &'static str,
    pub(crate) file: &'a Path,
    pub(crate) size: u64,
    /// When the ticket was claimed.
    pub(crate) claimed: Instant,
    /// Longest time for all of it.
    pub(crate) longest: Duration,
}

/// Sends it.
pub(crate) async fn send(upload: Upload<'_>, progress: &Arc<Progress>) -> Sent {
    let file = match File::open(upload.file).await {
        Ok(file) => file,
        Err(error) => return Sent::Nothing(format!("the staged snapshot cannot be read: {error}")),
    };
    let gate = Arc::new(Gate::new(upload.claimed));
    progress.begin(upload.size);
    let request = upload.session.snapshot(upload.path);
    let request = request
        .header(CONTENT_TYPE, "application/gzip")
        .header(CONTENT_LENGTH, upload.size)
        .timeout(upload.longest)
        .body(body(file, &gate, progress));
    let answered = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok::<Answer, reqwest::Error>(answer(status, &response.text().await?))
    };
    let mut answered = pin!(answered);
    let left = FIRST_BYTE.saturating_sub(upload.claimed.elapsed());
    let first = timeout(left, &mut answered).await;
    let answered = match first {
        Ok(answered) => answered,
        Err(_) if gate.shut_unused() => {
            return Sent::Nothing("the server did not take the first byte in time".to_owned());
        }
        Err(_) => answered.await,
    };
    let untouched = gate.shut();
    match answered {
        Ok(answer) => classify(&answer),
        Err(error) if untouched => Sent::Nothing(fault(error)),
        Err(error) => Sent::Unclear(fault(error)),
    }
}

fn body(file: File, gate: &Arc<Gate>, progress: &Arc<Progress>) -> Body {
    let (gate, progress) = (Arc::clone(gate), Arc::clone(progress));
    Body::wrap_stream(ReaderStream::with_capacity(file, CHUNK).map(move |chunk| {
        let chunk = chunk?;
        if !gate.pass() {
            return Err(io::Error::other("nothing may be sent any more"));
        }
        progress.add(chunk.len());
        Ok(chunk)
    }))
}

/// Lets the first byte pass soon after the claim only, and nothing once it was shut. It is the one place that knows
/// whether anything was sent.
struct Gate {
    claimed: Instant,
    state: AtomicU8,
}

const WAITING: u8 = 0;
const OPEN: u8 = 1;
const SHUT: u8 = 2;

impl Gate {
    const fn new(claimed: Instant) -> Self {
        Self { claimed, state: AtomicU8::new(WAITING) }
    }

    fn pass(&self) -> bool {
        if self.state.load(Ordering::SeqCst) == OPEN {
            return true;
        }
        self.claimed.elapsed() < FIRST_BYTE
            && self.state.compare_exchange(WAITING, OPEN, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Shuts it unless something has passed; says whether nothing ever did.
    fn shut_unused(&self) -> bool {
        self.state.compare_exchange(WAITING, SHUT, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Shuts it; says whether nothing ever passed.
    fn shut(&self) -> bool {
        self.state.swap(SHUT, Ordering::SeqCst) != OPEN
    }
}

/// Refusals that OpenBao gives before it restores anything: measured on 2.7.2.
const REFUSALS: [&str; 6] = [
    "failed to decompress snapshot",
    "failed to read snapshot file",
    "failed checking integrity of snapshot",
    "hash check failed",
    "could not verify hash file",
    "permission denied",
];

/// What the answer says about the POST. A redirect is no refusal: what sent it may have done more.
fn classify(answer: &Answer) -> Sent {
    let fault = answer.fault();
    match answer.status {
        204 => Sent::Acknowledged,
        403 => Sent::Refused(fault),
        400 | 500 if REFUSALS.iter().any(|text| fault.contains(text)) => Sent::Refused(fault),
        _ => Sent::Unclear(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: an answer that can come after a restore began counts as a refusal, and the lock is released.
    #[test]
    fn only_known_refusals_are_refusals() {
        let say = |status, text: &str| classify(&answer(status, text));
        assert_eq!(say(204, ""), Sent::Acknowledged);
        let cut = r#"{"errors":["1 error occurred:\n\t* failed to read snapshot file: failed to read or write snapshot data: unexpected EOF\n\n"]}"#;
        for (status, text) in [
            (500, cut),
            (500, r#"{"errors":["failed to decompress snapshot: EOF"]}"#),
            (
                400,
                "could not verify hash file, possibly the snapshot is using a different set of unseal keys",
            ),
            (403, r#"{"errors":["permission denied"]}"#),
            (403, "<html>"),
        ] {
            assert!(matches!(say(status, text), Sent::Refused(_)), "{status} {text}");
        }
        for (status, text) in
            [(200, ""), (307, ""), (500, "internal error"), (503, "Vault is sealed"), (502, cut), (504, "")]
        {
            assert!(matches!(say(status, text), Sent::Unclear(_)), "{status} {text}");
        }
    }

    /// Bug: a first byte is sent long after the claim, when the operator has given up on this pod.
    #[test]
    fn the_first_byte_is_soon_after_the_claim_or_never() {
        let gate = Gate::new(Instant::now());
        assert!(gate.pass() && gate.pass());
        assert!(!gate.shut_unused(), "something was sent");
        assert!(gate.pass(), "the rest may follow");
        assert!(!gate.shut(), "something was sent");
        assert!(!gate.pass(), "it was shut");
        let gate = Gate::new(Instant::now());
        assert!(gate.shut_unused());
        assert!(!gate.pass(), "it was shut");
        if let Some(long_ago) = Instant::now().checked_sub(FIRST_BYTE) {
            let gate = Gate::new(long_ago);
            assert!(!gate.pass(), "too late");
            assert!(gate.shut());
        }
    }
}
