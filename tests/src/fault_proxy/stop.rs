//! Where something is stopped, and how it goes on.

use anyhow::Context;
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A restore posts 5 s after its creation on an idle machine.
const STOPPED_WITHIN: Duration = Duration::from_mins(2);

/// Whether a connection that has just come is the one.
pub type Condition = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// A point on the way of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// It has begun to come, and the server knows nothing of it.
    Head,
    /// The server has half of its body.
    Half,
    /// The server has all of its body but the checksum at the end, without which it restores too.
    LastBytes,
    /// The server has answered, and the client does not know it.
    Answer,
}

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As if nothing had been.
    GoOn,
    /// Both sides see their connection reset.
    Reset,
    /// The server sees the end of what it has got; the client gets its answer, if it has not been given before.
    Cut,
    /// The client sees a reset, and the server nothing at all: its connection stays open.
    Part,
}

pub(super) enum Where {
    Connection(Condition),
    Post(Point),
    /// The client has so many bytes of the answer with the snapshot.
    Download(u64),
}

/// What is to be stopped, and whom to tell.
pub(super) struct Order {
    pub(super) at: Where,
    reached: oneshot::Sender<Held>,
}

pub(super) fn order(at: Where) -> (Order, Stopped) {
    let (reached, stopped) = oneshot::channel();
    (Order { at, reached }, Stopped(stopped))
}

impl Order {
    /// Waits until it is told how to go on. A test that has ended lets go with a reset.
    pub(super) async fn hold(self) -> End {
        let (sender, end) = oneshot::channel();
        // Nobody waits any more: then `sender` is dropped with what was not sent.
        let _ = self.reached.send(Held(sender));
        end.await.unwrap_or(End::Reset)
    }
}

/// Something that will be stopped.
#[derive(Debug)]
pub struct Stopped(oneshot::Receiver<Held>);

impl Stopped {
    /// Waits until it is.
    ///
    /// # Errors
    /// When nothing came within 2 min, or another order took the place of this one.
    pub async fn held(self) -> anyhow::Result<Held> {
        let held =
            timeout(STOPPED_WITHIN, self.0).await.context("nothing came to be stopped within 2 min")?;
        held.context("another order took the place of this one")
    }
}

/// Something that stands still. It is reset when this value goes.
#[derive(Debug)]
pub struct Held(oneshot::Sender<End>);

impl Held {
    /// Goes on as if nothing had been.
    pub fn go_on(self) {
        self.end(End::GoOn);
    }

    /// Both sides see their connection reset.
    pub fn reset(self) {
        self.end(End::Reset);
    }

    /// The server sees the end of what it has got, and its answer is passed on; at [`Point::Answer`] it is not.
    pub fn cut(self) {
        self.end(End::Cut);
    }

    /// The client sees a reset, and the server nothing: for it the rest is still to come.
    pub fn part(self) {
        self.end(End::Part);
    }

    fn end(self, end: End) {
        // The connection may be gone, with the runtime that it ran in.
        let _ = self.0.send(end);
    }
}
