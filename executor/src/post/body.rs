//! The body of the POST. Nothing has its tail until somebody releases it: the body waits for it, and who reads the file
//! hands it out only if all of the file is what was checked.

use crate::clock::Moment;
use crate::openbao::Wire;
use crate::progress::Progress;
use api::names::hexadecimal;
use api::task::Pinned;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// Longest time from the claim to the tail.
pub(super) const TAIL_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of one piece.
pub(super) const PIECE: usize = 256 * 1024;
/// Pieces that are read ahead of the network.
const AHEAD: usize = 4;

/// What is wrong with the staged file.
#[derive(Debug, Error)]
pub(super) enum Staged {
    #[error("the staged snapshot cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the staged snapshot is not the one that was checked")]
    Bent,
    #[error("the snapshot of {size} bytes has no end that begins at {tail}")]
    NoTail { size: u64, tail: u64 },
    /// The connection is over, which says why.
    #[error("the connection takes no more of the snapshot")]
    Unwanted,
}

/// The tail was not released, or too late.
#[derive(Debug, Error)]
#[error("the end of the snapshot was held back")]
pub(super) struct HeldBack;

/// The tail, once it may be sent.
pub(super) struct Released {
    pub(super) tail: Bytes,
    pub(super) claimed: Moment,
}

/// Reads the file ahead of the network: gives what comes before `tail`, and then what begins there, if all of it is what
/// was checked.
pub(super) fn read(
    file: &Path,
    pinned: &Pinned,
    tail: u64,
) -> (Receiver<Bytes>, oneshot::Receiver<Result<Bytes, Staged>>) {
    let (file, pinned) = (file.to_owned(), pinned.clone());
    let ((to, pieces), (last, checked)) = (mpsc::channel(AHEAD), oneshot::channel());
    spawn_blocking(move || {
        // Who no longer listens has its answer.
        let _ = last.send(read_checked(&file, &pinned, tail, &to));
    });
    (pieces, checked)
}

fn read_checked(file: &Path, pinned: &Pinned, tail: u64, to: &Sender<Bytes>) -> Result<Bytes, Staged> {
    let size = pinned.size;
    // It is what is held back: without it everything would go out.
    if !(1..size).contains(&tail) {
        return Err(Staged::NoTail { size, tail });
    }
    let mut file = File::open(file)?;
    let mut digest = Sha256::new();
    let mut next = |bytes: u64| -> io::Result<Bytes> {
        let mut piece = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        file.read_exact(&mut piece)?;
        digest.update(&piece);
        Ok(Bytes::from(piece))
    };
    let mut left = tail;
    while left > 0 {
        let piece = next(left.min(PIECE as u64))?;
        left -= piece.len() as u64;
        to.blocking_send(piece).map_err(|_| Staged::Unwanted)?;
    }
    let last = next(size - tail)?;
    let found = hexadecimal(&digest.finalize());
    if found.eq_ignore_ascii_case(&pinned.sha256) { Ok(last) } else { Err(Staged::Bent) }
}

/// Gives HTTP the pieces as they come, and the tail once it is released.
pub(super) struct Held {
    pub(super) size: u64,
    pub(super) pieces: Receiver<Bytes>,
    /// None: it is with HTTP.
    pub(super) released: Option<oneshot::Receiver<Released>>,
    /// Whether HTTP was given anything of the tail.
    pub(super) handed: Arc<AtomicBool>,
    pub(super) wire: Arc<Wire>,
    pub(super) progress: Arc<Progress>,
}

impl Held {
    /// The tail, if it is released soon after the claim.
    fn last(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, HeldBack>>> {
        let Some(released) = &mut self.released else { return Poll::Ready(None) };
        let released = ready!(Pin::new(released).poll(context)).ok();
        self.released = None;
        let Some(Released { tail, .. }) = released.filter(|it| it.claimed.at_most() < TAIL_WITHIN) else {
            return Poll::Ready(Some(Err(HeldBack)));
        };
        self.handed.store(true, Ordering::SeqCst);
        Poll::Ready(Some(Ok(tail)))
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = HeldBack;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HeldBack>>> {
        let next = match ready!(self.pieces.poll_recv(context)) {
            Some(piece) => Some(Ok(piece)),
            None => ready!(self.last(context)),
        };
        if let Some(Ok(piece)) = &next {
            self.wire.give(piece.len());
            self.progress.add(piece.len());
        }
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size)
    }
}
