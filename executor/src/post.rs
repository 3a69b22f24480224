//! The one POST of a restore: begun soon after the claim or not at all, and never tried again.

use crate::clock::Moment;
use crate::openbao::{Answer, Session, whole};
use crate::progress::Progress;
use crate::report::fault;
use api::names::hexadecimal;
use api::task::Pinned;
use futures::{Stream, TryStreamExt, stream};
use reqwest::Body;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

/// Longest time from the claim to the first byte.
const FIRST_BYTE: Duration = Duration::from_secs(10);
/// Bytes of one piece. The last one is a whole piece: without it the server has no list of hashes, and accepts nothing.
const PIECE: usize = 256 * 1024;
/// Pieces that are read ahead of the network.
const AHEAD: usize = 4;

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
    pub(crate) file: PathBuf,
    /// What the file has to be.
    pub(crate) pinned: &'a Pinned,
    /// When the ticket was claimed.
    pub(crate) claimed: Moment,
    /// Longest time for all of it.
    pub(crate) longest: Duration,
}

impl Sent {
    /// Whether the listener of the server did not wait for the end.
    pub(crate) fn was_cut(&self) -> bool {
        matches!(self, Self::Refused(fault) if fault.contains("i/o timeout"))
    }
}

/// Sends it.
pub(crate) async fn send(upload: Upload<'_>, progress: &Arc<Progress>) -> Sent {
    let Upload { session, path, file, pinned, claimed, longest } = upload;
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) => return Sent::Nothing(format!("the staged snapshot cannot be read: {error}")),
    };
    let gate = Arc::new(Gate::new(claimed));
    progress.begin(pinned.size);
    let request = session
        .snapshot(path)
        .header(CONTENT_TYPE, "application/gzip")
        .header(CONTENT_LENGTH, pinned.size)
        .timeout(longest)
        .body(body(file, pinned.clone(), &gate, progress));
    let mut answered = pin!(async { whole(request.send().await?).await });
    let left = FIRST_BYTE.saturating_sub(claimed.at_most());
    let answered = match timeout(left, &mut answered).await {
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

fn body(file: File, pinned: Pinned, gate: &Arc<Gate>, progress: &Arc<Progress>) -> Body {
    let (gate, progress) = (Arc::clone(gate), Arc::clone(progress));
    Body::wrap_stream(pieces(file, pinned).and_then(move |piece| {
        let passes = gate.pass();
        if passes {
            progress.add(piece.len());
        }
        std::future::ready(if passes {
            Ok(piece)
        } else {
            Err(io::Error::other("nothing may be sent any more"))
        })
    }))
}

/// The file, read and hashed ahead of the network.
fn pieces(file: File, pinned: Pinned) -> impl Stream<Item = io::Result<Vec<u8>>> {
    let (to, mut from) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = read_checked(file, &pinned, &to) {
            // Who no longer listens has its answer.
            let _ = to.blocking_send(Err(error));
        }
    });
    stream::poll_fn(move |context| from.poll_recv(context))
}

/// Gives the last piece only if all of them are what was checked.
fn read_checked(mut file: File, pinned: &Pinned, to: &Sender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let mut digest = Sha256::new();
    let mut left = pinned.size;
    while left > 0 {
        // The first piece is the odd one.
        let odd = usize::try_from(left % PIECE as u64).unwrap_or_default();
        let mut piece = vec![0; if odd > 0 { odd } else { PIECE }];
        file.read_exact(&mut piece)?;
        digest.update(&piece);
        left -= piece.len() as u64;
        if left == 0 && !hexadecimal(&digest.finalize_reset()).eq_ignore_ascii_case(&pinned.sha256) {
            return Err(io::Error::other(
                "the staged snapshot is not the one that was checked; its end was held back",
            ));
        }
        if to.blocking_send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Lets the first byte pass soon after the claim only, and nothing once it was shut. It is the one place that knows
/// whether anything was sent.
struct Gate {
    claimed: Moment,
    state: AtomicU8,
}

const WAITING: u8 = 0;
const OPEN: u8 = 1;
const SHUT: u8 = 2;

impl Gate {
    const fn new(claimed: Moment) -> Self {
        Self { claimed, state: AtomicU8::new(WAITING) }
    }

    fn pass(&self) -> bool {
        if self.state.load(Ordering::SeqCst) == OPEN {
            return true;
        }
        self.claimed.at_most() < FIRST_BYTE
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
const REFUSALS: [&str; 5] = [
    "failed to decompress snapshot",
    "failed to read snapshot file",
    "failed checking integrity of snapshot",
    "hash check failed",
    "could not verify hash file",
];

/// What the answer says about the POST. A redirect is no refusal, and neither is a 403 that OpenBao did not write: what
/// stands between may have passed everything on before.
fn classify(answer: &Answer) -> Sent {
    let fault = answer.fault();
    match answer.status {
        204 => Sent::Acknowledged,
        403 if fault.contains("permission denied") => Sent::Refused(fault),
        400 | 500 if REFUSALS.iter().any(|text| fault.contains(text)) => Sent::Refused(fault),
        _ => Sent::Unclear(fault),
    }
}

#[cfg(test)]
mod tests;
