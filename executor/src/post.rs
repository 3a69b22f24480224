//! The POST of a restore: all but its tail, which can be taken back; and then the tail, once, which cannot.

mod body;
mod outcome;

pub(crate) use outcome::{Ended, Sent};

use crate::clock::Moment;
use crate::openbao::{Connection, Exchange, Heard, TOKEN};
use crate::progress::Progress;
use api::task::Pinned;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use body::{Held, Released, Staged, TAIL_WITHIN};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, EXPECT};
use outcome::{after_tail, before_tail};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Time between the first two looks at what the peer has acknowledged, and between two late ones. The kernel goes through
/// all connections of its machine for each.
const LOOK: Duration = Duration::from_millis(4);
const LATE_LOOK: Duration = Duration::from_millis(128);
/// Longest time until the end of a connection is heard that is over: an answer may be read to its end.
const LAST_WORDS: Duration = Duration::from_secs(6);

const INDEX: &str = "X-Vault-Index";
/// More than any raft log has.
const FAR_AHEAD: &str = "1000000000000000";
const INCONSISTENT: &str = "X-Vault-Inconsistent";

/// One snapshot and where it goes.
pub(crate) struct Upload<'a> {
    /// Who sends it.
    pub(crate) token: &'a str,
    /// Of the data that the leader has now.
    pub(crate) cluster_id: &'a str,
    pub(crate) path: &'static str,
    pub(crate) file: PathBuf,
    /// What the file has to be.
    pub(crate) pinned: &'a Pinned,
    /// Where its tail begins.
    pub(crate) tail: u64,
}

/// A POST whose tail is held back. It is reset where it is dropped.
pub(crate) struct Posting {
    exchange: Exchange,
    /// Where the tail begins.
    before: u64,
    /// The tail, and how it comes here once the whole file was read.
    tail: Option<Bytes>,
    checked: oneshot::Receiver<Result<Bytes, Staged>>,
    release: oneshot::Sender<Released>,
    handed: Arc<AtomicBool>,
}

impl Connection {
    /// Begins the POST: everything before the tail goes out, and the answer is awaited from now on.
    pub(crate) fn post(self, upload: Upload<'_>, progress: &Arc<Progress>) -> Posting {
        let Upload { token, cluster_id, path, file, pinned, tail } = upload;
        progress.begin(pinned.size);
        let (pieces, checked) = body::read(&file, pinned, tail);
        let (release, released) = oneshot::channel();
        let handed = Arc::new(AtomicBool::new(false));
        let body = Held {
            size: pinned.size,
            pieces,
            released: Some(released),
            handed: Arc::clone(&handed),
            wire: Arc::clone(self.wire()),
            progress: Arc::clone(progress),
        };
        let request = self
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/gzip")
            // Whoever refuses a short body answers before it has come, and not only at its end.
            .header(EXPECT, "100-continue")
            .header(TOKEN, token)
            .header(INDEX, ahead_of(cluster_id))
            .header(INCONSISTENT, "forward-active-node")
            .body(body.map_err(Into::into).boxed());
        Posting { exchange: self.send(request), before: tail, tail: None, checked, release, handed }
    }
}

/// An index of the raft log that no standby of this cluster has: it answers 307 before it reads a body, where a leader
/// does not look at it.
fn ahead_of(cluster_id: &str) -> String {
    STANDARD.encode(json!({ "cluster": cluster_id, "value": FAR_AHEAD }).to_string())
}

impl Posting {
    /// Waits until the peer has acknowledged everything before the tail, and the file was found to be what was checked. An
    /// answer, or the end of the connection, comes first.
    pub(crate) async fn ready(&mut self) -> Result<(), Ended> {
        let heard = self.exchange.heard();
        tokio::select! {
            biased;
            heard = heard => Err(before_tail(heard)),
            arrived = self.arrived() => arrived,
        }
    }

    async fn arrived(&mut self) -> Result<(), Ended> {
        if self.tail.is_none() {
            match (&mut self.checked).await.unwrap_or(Err(Staged::Unwanted)) {
                Ok(tail) => self.tail = Some(tail),
                Err(error @ Staged::Unwanted) => return Err(self.last_words(error.to_string()).await),
                Err(error) => return Err(Ended::Unready(error.to_string())),
            }
        }
        let wire = self.exchange.wire();
        wire.flushed(self.before).await;
        let mut pause = LOOK;
        loop {
            match wire.unacknowledged().await {
                Ok(0) => break,
                Ok(_) => sleep(pause).await,
                Err(error) => {
                    let unknown = format!("what has arrived of the snapshot cannot be seen: {error}");
                    return Err(self.last_words(unknown).await);
                }
            }
            pause = LATE_LOOK.min(pause * 2);
        }
        self.exchange.heard_by_now().await.map_or(Ok(()), |heard| Err(before_tail(heard)))
    }

    /// The end of a connection that others have seen to be over.
    async fn last_words(&self, otherwise: String) -> Ended {
        let heard = timeout(LAST_WORDS, self.exchange.heard()).await;
        heard.map_or(Ended::Unready(otherwise), before_tail)
    }

    /// Waits until the held POST has ended by itself.
    #[cfg(test)]
    pub(crate) async fn ended(&self) -> Ended {
        before_tail(self.exchange.heard().await)
    }

    /// Sends the tail, soon after the claim or not at all, and waits this long for the answer. The connection is left where
    /// the server acknowledged it on it.
    pub(crate) async fn finish(self, claimed: Moment, answer: Duration) -> (Sent, Option<Connection>) {
        let nothing = |fault: &str| (Sent::Nothing(fault.to_owned()), None);
        if let Some(heard) = self.exchange.heard_by_now().await {
            return nothing(before_tail(heard).fault());
        }
        let Some(tail) = self.tail else { return nothing("the snapshot was not ready to be sent") };
        // Who does not take it has ended.
        let _ = self.release.send(Released { tail, claimed });
        let heard: Option<Heard> = timeout(answer, self.exchange.heard()).await.ok();
        if !self.handed.load(Ordering::SeqCst) {
            let why = unhanded(heard, claimed);
            self.exchange.end().await;
            // It may have been handed over between its answer and the end of the connection.
            let is_kept = !self.handed.load(Ordering::SeqCst);
            return (if is_kept { Sent::Nothing(why) } else { Sent::Unclear(why) }, None);
        }
        let sent = after_tail(heard);
        if sent == Sent::Acknowledged {
            return (sent, self.exchange.kept().await);
        }
        self.exchange.end().await;
        (sent, None)
    }

    /// Resets the connection: the server sees it at once, and nothing of the tail can be sent any more.
    pub(crate) fn reset(self) {
        drop(self);
    }
}

/// Why nothing of the tail was handed to the connection.
fn unhanded(heard: Option<Heard>, claimed: Moment) -> String {
    match heard {
        _ if claimed.at_most() >= TAIL_WITHIN => {
            format!("more than {} s had passed since the claim", TAIL_WITHIN.as_secs())
        }
        Some(heard) => before_tail(heard).fault().to_owned(),
        None => "the connection did not take the end of the snapshot".to_owned(),
    }
}

#[cfg(test)]
mod tests;
