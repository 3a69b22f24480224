//! A connection beneath HTTP: how much of a body has left this process, and how much of that has arrived.

use super::queue;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// What is known of a connection beneath HTTP.
pub(crate) struct Wire {
    local: SocketAddr,
    peer: SocketAddr,
    /// Bytes of the body that HTTP was given.
    given: AtomicU64,
    /// Those of them that are with the kernel.
    flushed: watch::Sender<u64>,
    /// Why nothing can be written any more.
    broken: OnceLock<String>,
}

impl Wire {
    pub(super) fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self {
            local: stream.local_addr()?,
            peer: stream.peer_addr()?,
            given: AtomicU64::new(0),
            flushed: watch::Sender::new(0),
            broken: OnceLock::new(),
        })
    }

    /// HTTP is given the next so many bytes of a body.
    pub(crate) fn give(&self, bytes: usize) {
        self.given.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    /// Waits until the first so many bytes of a body are with the kernel.
    pub(crate) async fn flushed(&self, bytes: u64) {
        // Its sender lives as long as this.
        let _ = self.flushed.subscribe().wait_for(|flushed| *flushed >= bytes).await;
    }

    /// Bytes that are with the kernel, and that the peer has not acknowledged.
    pub(crate) async fn unacknowledged(&self) -> io::Result<u64> {
        let (local, peer) = (self.local, self.peer);
        spawn_blocking(move || queue::unacknowledged(local, peer)).await?
    }

    /// Why nothing could be written any more.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }
}

/// What bytes are written to and read from.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Tells what HTTP does with a connection, and lets it read to the end what came before nothing could be written any more:
/// whoever refuses a request in the middle answers first, and closes then.
pub(super) struct Watched {
    io: Box<dyn Io>,
    wire: Arc<Wire>,
}

impl Watched {
    pub(super) fn new(io: Box<dyn Io>, wire: Arc<Wire>) -> Self {
        Self { io, wire }
    }

    /// An error is kept, and nothing is written any more. It is the reader who sees the end.
    fn written<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(error)) = polled else { return polled };
        self.wire.broken.get_or_init(|| error.to_string());
        Poll::Pending
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// HTTP flushes once it has written all that it was given, and so does TLS: what was given by now is with the kernel.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        if let Poll::Ready(Ok(())) = polled {
            let given = self.wire.given.load(Ordering::SeqCst);
            self.wire.flushed.send_if_modified(|flushed| std::mem::replace(flushed, given) != given);
        }
        self.written(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
