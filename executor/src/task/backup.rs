//! Takes a snapshot and puts it into the store: it is there under its key only if it is whole, and it is a backup only
//! once its manifest stands beside it.

mod attempt;
mod error;
mod marker;
mod retention;
mod stream;

use self::attempt::{Made, Site};
use super::{begin, leave, lost};
use crate::args::Args;
use crate::clock::ServerClock;
use crate::dial::Guard;
use crate::openbao::Session;
use crate::progress::Progress;
use crate::report::{self, Findings};
use crate::storage;
use crate::ticket::{Ticket, TicketError};
use crate::upload::{Leave, UploadError, settle};
use api::conditions::Reason;
use api::task::{BackupMade, BackupOrder, Outcome, Pruned, Report, Task};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use object_store::aws::AmazonS3;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::{sleep, timeout};

/// Pauses before each further attempt: an election takes seconds, and a server that has just started has nothing new to
/// give for a while.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16)];
/// Longest time to remove what a failed attempt left, well within the grace of the pod.
const SETTLE: Duration = Duration::from_mins(2);

/// Backs up. A termination ends it and leaves nothing behind.
pub(super) async fn backup(task: &Task, args: &Args) -> Report {
    let Some(order) = &task.backup else {
        return refusal(Reason::JobFailed, "The Task does not say how the backup is to be done.");
    };
    // Such a Job has no ticket: it acts on nothing.
    if let Some(problem) = &order.refused {
        return refusal(problem.reason, &problem.message);
    }
    let (mut termination, mut ticket) = match begin(task, args).await {
        Ok(begun) => begun,
        Err(report) => return *report,
    };
    let progress = Progress::default();
    let report = match ticket.claim(|_| None).await {
        Ok(clock) => {
            let work = Work { task, args, order, clock, progress: &progress };
            work.run(&mut ticket, &mut termination).await
        }
        Err(error) => lost(&error),
    };
    leave(&mut ticket, report, &progress).await.report
}

fn refusal(reason: Reason, message: &str) -> Report {
    report::ended(Outcome::Refused, reason, message.to_owned())
}

/// One backup of a pod that has claimed its ticket.
struct Work<'a> {
    task: &'a Task,
    args: &'a Args,
    order: &'a BackupOrder,
    clock: ServerClock,
    progress: &'a Progress,
}

/// Why work was cut short.
enum Interrupted {
    Terminated,
    Lost(TicketError),
}

impl Work<'_> {
    async fn run(&self, ticket: &mut Ticket, termination: &mut Signal) -> Report {
        let folder = self.args.mounts.join("storage");
        let store = match storage::open(&self.task.target, &folder, &Guard::of(self.args)) {
            Ok(store) => Arc::new(store),
            Err(error) => return Findings::told(self.task, &error).unchanged(),
        };
        let site = match Site::open(self, &store) {
            Ok(site) => site,
            Err(error) => return Findings::told(self.task, &error).unchanged(),
        };
        let (made, session) = match self.beside(ticket, termination, self.make(&site)).await {
            Ok(Ok(done)) => done,
            ended => {
                self.clean_up(&site).await;
                return match ended {
                    Ok(Err(findings)) => findings.unchanged(),
                    Err(Interrupted::Lost(error)) => lost(&error),
                    _ => terminated(),
                };
            }
        };
        session.end().await;
        let prune = retention::prune(&store, self.task, self.order, &made.key, self.clock.now());
        let pruned = self.beside(ticket, termination, prune).await.unwrap_or_else(|_| Pruned {
            remark: Some(
                "Retention was cut short, since the pod was told to end; the next backup goes on.".to_owned(),
            ),
            ..Pruned::default()
        });
        done(made, pruned)
    }

    /// Works until the pod is told to end, or the ticket is not its own any more.
    async fn beside<T>(
        &self,
        ticket: &mut Ticket,
        termination: &mut Signal,
        work: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        tokio::select! {
            biased;
            _ = termination.recv() => Err(Interrupted::Terminated),
            done = work => Ok(done),
            error = ticket.beat(self.progress) => Err(Interrupted::Lost(error)),
        }
    }

    /// Settles what earlier pods left, then tries until it is done or cannot be done.
    async fn make(&self, site: &Site<'_>) -> Result<(Made, Session), Findings> {
        self.progress.change(|left| left.markers.clone_from(&self.order.unconsumed));
        site.consume().await;
        for upload in &self.order.unfinished {
            let settled = settle(site.store, upload, Leave::Backup).await;
            settled.map_err(|error| Findings::told(self.task, &error))?;
        }
        for pause in PAUSES {
            match site.attempt().await {
                Err(findings) if findings.are_passing() => {
                    let problem = findings.unchanged().told();
                    tracing::warn!(problem, "the backup failed and is tried again in {} s", pause.as_secs());
                }
                ended => return ended,
            }
            self.discard(site.store).await.map_err(|error| Findings::told(self.task, &error))?;
            sleep(pause).await;
        }
        site.attempt().await
    }

    /// Nothing stays of an upload that did not become a backup.
    async fn discard(&self, store: &AmazonS3) -> Result<(), UploadError> {
        if let Some(upload) = self.progress.left().upload {
            settle(store, &upload, Leave::Nothing).await?;
            self.progress.change(|left| left.upload = None);
        }
        Ok(())
    }

    /// What cannot be removed or consumed stays named on the ticket, for the next backup.
    async fn clean_up(&self, site: &Site<'_>) {
        let settled = async { tokio::join!(self.discard(site.store), site.consume()).0 };
        match timeout(SETTLE, settled).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what the backup left is not removed yet"),
            Err(_) => tracing::warn!("what the backup left was not removed within {} s", SETTLE.as_secs()),
        }
    }
}

fn terminated() -> Report {
    let message = "The pod was told to end before the backup was whole. There is none of this time; what it had begun is removed, or named on its ticket for the next backup.";
    report::ended(Outcome::Failed, Reason::Cancelled, message.to_owned())
}

fn done(made: Made, pruned: Pruned) -> Report {
    let Made { key, pinned, started, finished, server_version, remark } = made;
    let (started, finished) = (Time(started), Time(finished));
    let backup = BackupMade { key, started, finished, server_version, remark, pruned };
    let mut report = Findings::default().ended(Outcome::Done);
    (report.pinned, report.backup) = (Some(pinned), Some(backup));
    report
}

#[cfg(test)]
mod tests;
