//! A proxy before one OpenBao server. It counts what must happen at most once, the POST of a snapshot, and can stop or
//! break one, or a GET, at a point of its way.

mod connection;
mod ending;
mod head;
mod post;
mod record;
mod road;
mod server;
mod stop;

pub use record::Post;
pub use stop::{Condition, HELD_BACK, Held, How, Stopped, Times, Where};

use crate::control_plane::LIFETIME;
use crate::object_store::acceptor;
use crate::openbao::OpenBao;
use certs::issue;
use jiff::Timestamp;
use record::Record;
use server::Target;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use stop::{At, End, Order, Then};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes at the end of an archive, as OpenBao writes it, from the header of `SHA256SUMS` on.
pub const TAIL: u64 = 3093;
/// Bytes that the kernel takes from a client while nobody reads; it doubles them. A client whose snapshot is stopped is
/// to notice it.
const RECEIVES: u32 = 64 * 1024;
const BACKLOG: u32 = 64;

/// A proxy that runs until this value or its runtime ends; connections go on until they end.
#[derive(Debug)]
pub struct FaultProxy {
    /// URL of it.
    pub address: String,
    /// PEM of the CA of its certificate.
    pub authority: String,
    shared: Arc<Shared>,
    _listening: DropGuard,
}

/// What its connections have in common.
struct Shared {
    acceptor: TlsAcceptor,
    target: Mutex<Target>,
    record: Record,
    order: Order,
    tail: AtomicU64,
    /// Whether the server reads.
    is_read: AtomicBool,
    /// Whether a marker has just been made by who is about to post.
    is_marked: AtomicBool,
    posts_while: Mutex<Option<Arc<Condition>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("record", &self.record).finish_non_exhaustive()
    }
}

impl FaultProxy {
    /// Starts one before the server at the address of `openbao`.
    ///
    /// # Errors
    /// When it cannot listen, or the certificates cannot be made or read.
    pub fn start(openbao: &OpenBao) -> anyhow::Result<Self> {
        Self::start_at(([127, 0, 0, 1], 0).into(), &[], openbao)
    }

    /// The same at this address, with these names in its certificate beside it.
    ///
    /// # Errors
    /// When it cannot listen, or the certificates cannot be made or read.
    pub fn start_at(address: SocketAddr, names: &[String], openbao: &OpenBao) -> anyhow::Result<Self> {
        let now = Timestamp::now();
        let authority = issue::authority("proxy", now, LIFETIME)?;
        let names = [names, &[address.ip().to_string()]].concat();
        let leaf = issue::leaf(&authority, &names, now, LIFETIME)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("tls.crt"), &leaf.certificate)?;
        std::fs::write(folder.path().join("tls.key"), &leaf.key)?;
        let shared = Arc::new(Shared {
            acceptor: acceptor(folder.path())?,
            target: Mutex::new(Target::of(openbao)?),
            record: Record::default(),
            order: Order::default(),
            tail: AtomicU64::new(TAIL),
            is_read: AtomicBool::new(true),
            is_marked: AtomicBool::new(false),
            posts_while: Mutex::new(None),
        });
        let socket = TcpSocket::new_v4()?;
        // A proxy of before may have had it.
        socket.set_reuseaddr(true)?;
        socket.set_recv_buffer_size(RECEIVES)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = format!("https://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, Arc::clone(&shared))));
        Ok(Self { address, authority: authority.certificate, shared, _listening: stop.drop_guard() })
    }

    /// How many snapshots were posted so far: of how many at least the first byte came.
    #[must_use]
    pub fn posts(&self) -> usize {
        self.seen().iter().filter(|post| post.received > 0).count()
    }

    /// Of how many of them the last byte came.
    #[must_use]
    pub fn tails(&self) -> usize {
        self.seen().iter().filter(|post| post.received == post.length).count()
    }

    /// Every POST of a snapshot whose head came.
    #[must_use]
    pub fn seen(&self) -> Vec<Post> {
        self.shared.record.posts()
    }

    /// When something was made to break.
    #[must_use]
    pub fn breaks(&self) -> Vec<Instant> {
        self.shared.record.breaks()
    }

    /// From now on nothing waits until the server has read what it was sent: it stands still.
    pub fn needs_no_reader(&self) {
        self.shared.is_read.store(false, Ordering::SeqCst);
    }

    /// How long the tail of what is posted is, if not [`TAIL`].
    pub fn set_tail(&self, bytes: u64) {
        self.shared.tail.store(bytes, Ordering::SeqCst);
    }

    /// From now on connections lead to another server.
    ///
    /// # Errors
    /// When its CA cannot be read.
    pub fn turn_to(&self, openbao: &OpenBao) -> anyhow::Result<()> {
        *lock(&self.shared.target) = Target::of(openbao)?;
        Ok(())
    }

    /// From now on the first connection after a marker was made, while `condition` holds, is taken for that of a POST: the
    /// points before [`Where::Head`] are on its way.
    pub fn posts_come_while(&self, condition: Condition) {
        *lock(&self.shared.posts_while) = Some(Arc::new(condition));
    }

    /// Stops the next POST of a snapshot at `point`.
    #[must_use]
    pub fn stop_at(&self, point: Where) -> Stopped {
        self.stop(At::Post(point))
    }

    /// Breaks POSTs of a snapshot at `point`.
    pub fn break_at(&self, point: Where, how: How, times: Times) {
        self.shared.order.give(At::Post(point), Then::Break(how, times));
    }

    /// From now on nothing is stopped or broken.
    pub fn heal(&self) {
        self.shared.order.take_back();
    }

    /// Stops the next GET of a snapshot once the client has been given so many bytes of the answer. The server has given
    /// no more than its kernel keeps beyond that: 4 MiB.
    #[must_use]
    pub fn stop_download(&self, after: u64) -> Stopped {
        self.stop(At::Download(after))
    }

    /// Stops the next request for `path` that comes while `condition` holds, before the server knows of it.
    #[must_use]
    pub fn stop_request(&self, path: &'static str, condition: Condition) -> Stopped {
        self.stop(At::Request(path, condition))
    }

    fn stop(&self, at: At) -> Stopped {
        let (then, stopped) = stop::tell();
        self.shared.order.give(at, then);
        stopped
    }
}

impl Shared {
    /// What becomes of a POST, or its connection, at this point.
    async fn at(&self, point: Where) -> End {
        match self.order.at(point) {
            Some(then) => self.end(then).await,
            None => End::GoOn,
        }
    }

    async fn at_request(&self, path: &str) -> End {
        match self.order.request(path).await {
            Some(then) => self.end(then).await,
            None => End::GoOn,
        }
    }

    async fn end(&self, then: Then) -> End {
        let is_a_break = matches!(then, Then::Break(..));
        let end = then.end().await;
        if is_a_break || end != End::GoOn {
            self.record.broken();
        }
        end
    }

    fn expects_a_post(&self) -> bool {
        self.is_marked.swap(false, Ordering::SeqCst)
    }

    /// Somebody is about to be told that a marker was made.
    async fn marker_made(&self) {
        let condition = lock(&self.posts_while).clone();
        if let Some(condition) = condition {
            self.is_marked.store(condition().await, Ordering::SeqCst);
        }
    }

    fn target(&self) -> Target {
        lock(&self.target).clone()
    }

    fn is_read(&self) -> bool {
        self.is_read.load(Ordering::SeqCst)
    }

    fn tail(&self) -> u64 {
        self.tail.load(Ordering::SeqCst)
    }
}

fn lock<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if let Err(error) = connection::serve(&shared, stream).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

#[cfg(test)]
mod tests;
