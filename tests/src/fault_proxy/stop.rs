//! Where something is stopped or breaks, and how it goes on.

use anyhow::Context;
use futures::future::BoxFuture;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// A restore posts 5 s after its creation on an idle machine, and minutes later where its operators are killed all the time.
const STOPPED_WITHIN: Duration = Duration::from_mins(5);

/// Whether what has just come is the one.
pub type Condition = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// A point on the way of a POST, or of the connection that is made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Where {
    /// The connection has come, and nothing of TLS.
    Connect,
    /// TLS has begun.
    Tls,
    /// It is asked on this connection who leads, and the server knows nothing of it.
    Leader,
    /// The head of the POST has come, and the server knows nothing of it.
    Head,
    /// The server has the head and one byte of the body.
    FirstByte,
    /// The server has half of the body.
    Half,
    /// The server has all but the tail, and the client has sent no more.
    BeforeTail,
    /// The client has sent everything. The server has all but [`HELD_BACK`] bytes, without which it restores nothing.
    Tail,
    /// The server has everything.
    AfterTail,
    /// The server has answered, and the client does not know it.
    Answer,
    /// The client has half of the answer's head.
    InAnswer,
}

impl Where {
    /// All of them, on their way.
    pub const ALL: [Self; 11] = [
        Self::Connect,
        Self::Tls,
        Self::Leader,
        Self::Head,
        Self::FirstByte,
        Self::Half,
        Self::BeforeTail,
        Self::Tail,
        Self::AfterTail,
        Self::Answer,
        Self::InAnswer,
    ];

    /// Whether nothing of the tail has been sent by then.
    #[must_use]
    pub fn is_before_the_tail(self) -> bool {
        self <= Self::BeforeTail
    }
}

/// Bytes at the end that the server lacks at [`Where::Tail`]. Measured: without the last 11 nothing is restored.
pub const HELD_BACK: usize = 20;

/// How something breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// Nothing moves for so long, then everything goes on.
    Stall(Duration),
    /// Both sides see their connection reset.
    Reset,
    /// Both sides see their connection end, and nobody gets an answer.
    Close,
    /// The client sees a reset, and the server nothing at all: its connection stays open.
    Part,
    /// The client gets a page of a proxy with this status, and the server sees a reset.
    Says(u16),
    /// The client gets words by which OpenBao refuses an archive that was cut, whatever the server did, which sees a reset.
    Refuses,
}

/// How often something breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Times {
    /// The next time, and no more.
    Once,
    /// Each time.
    Always,
}

/// How a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    GoOn,
    Reset,
    Close,
    Part,
    Says(u16),
    Refuses,
}

impl How {
    /// Waits as long as it stalls.
    async fn end(self) -> End {
        match self {
            Self::Stall(time) => {
                sleep(time).await;
                End::GoOn
            }
            Self::Reset => End::Reset,
            Self::Close => End::Close,
            Self::Part => End::Part,
            Self::Says(status) => End::Says(status),
            Self::Refuses => End::Refuses,
        }
    }
}

pub(super) enum At {
    Post(Where),
    /// The next request for this path that comes while the condition holds.
    Request(&'static str, Condition),
    /// The client has so many bytes of the answer with the snapshot.
    Download(u64),
}

pub(super) enum Then {
    /// Somebody is told, and says how it goes on.
    Tell(oneshot::Sender<Held>),
    Break(How, Times),
}

impl Then {
    /// Waits until it is known how it goes on. A test that has ended lets go with a reset.
    pub(super) async fn end(self) -> End {
        let how = match self {
            Self::Break(how, _) => how,
            Self::Tell(reached) => {
                let (sender, how) = oneshot::channel();
                // Nobody waits any more: then `sender` is dropped with what was not sent.
                let _ = reached.send(Held(sender));
                how.await.unwrap_or(How::Reset)
            }
        };
        how.end().await
    }
}

/// What is to be stopped or broken next.
#[derive(Default)]
pub(super) struct Order(Mutex<Option<(At, Then)>>);

impl Order {
    pub(super) fn give(&self, at: At, then: Then) {
        *self.lock() = Some((at, then));
    }

    pub(super) fn take_back(&self) {
        *self.lock() = None;
    }

    /// What is to be done at this point of a POST.
    pub(super) fn at(&self, point: Where) -> Option<Then> {
        self.take(|at| matches!(at, At::Post(there) if *there == point))
    }

    /// After how many bytes of the answer, and what then.
    pub(super) fn download(&self) -> Option<(u64, Then)> {
        let after = match &*self.lock() {
            Some((At::Download(after), _)) => *after,
            _ => return None,
        };
        Some((after, self.take(|at| matches!(at, At::Download(_)))?))
    }

    /// What is to be done with a request for this path.
    pub(super) async fn request(&self, path: &str) -> Option<Then> {
        let is_it = match &*self.lock() {
            Some((At::Request(asked, condition), _)) if path.starts_with(asked) => condition(),
            _ => return None,
        };
        if is_it.await { self.take(|at| matches!(at, At::Request(..))) } else { None }
    }

    fn take(&self, is_it: impl FnOnce(&At) -> bool) -> Option<Then> {
        let mut order = self.lock();
        let (at, then) = order.as_ref()?;
        match then {
            _ if !is_it(at) => None,
            Then::Break(how, Times::Always) => Some(Then::Break(*how, Times::Always)),
            _ => order.take().map(|(_, then)| then),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(At, Then)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn tell() -> (Then, Stopped) {
    let (reached, stopped) = oneshot::channel();
    (Then::Tell(reached), Stopped(stopped))
}

/// Something that will be stopped.
#[derive(Debug)]
pub struct Stopped(oneshot::Receiver<Held>);

impl Stopped {
    /// Waits until it is.
    ///
    /// # Errors
    /// When nothing came within 5 min, or another order took the place of this one.
    pub async fn held(self) -> anyhow::Result<Held> {
        let held =
            timeout(STOPPED_WITHIN, self.0).await.context("nothing came to be stopped within 5 min")?;
        held.context("another order took the place of this one")
    }
}

/// Something that stands still. It is reset when this value goes.
#[derive(Debug)]
pub struct Held(oneshot::Sender<How>);

impl Held {
    /// Goes on as if nothing had been.
    pub fn go_on(self) {
        self.end(How::Stall(Duration::ZERO));
    }

    /// Goes on like this.
    pub fn end(self, how: How) {
        // The connection may be gone, with the runtime that it ran in.
        let _ = self.0.send(how);
    }
}
