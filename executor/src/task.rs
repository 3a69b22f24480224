//! The Task of this pod, and who does it.

mod access;
mod attempt;
mod backup;
mod check;
mod conclude;
mod consume;
mod manifest;
mod prove;
mod restore;
mod snapshot;

use crate::args::Args;
use crate::clock::ServerClock;
use crate::progress::Progress;
use crate::report::{self, Fault};
use crate::ticket::{Ticket, TicketError};
use api::conditions::Reason;
use api::task::{Outcome, Report, Task, TaskKind};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Does the Task; says how it ended.
pub(crate) async fn run(args: &Args) -> Report {
    let task = match Task::parse(&args.task) {
        Ok(task) => task,
        Err(error) => {
            let message = format!("The executor did nothing, since its Task cannot be followed: {error}.");
            return report::ended(Outcome::Refused, Reason::NotApplied, message);
        }
    };
    tracing::info!(kind = ?task.kind, request = task.request.uid, key = task.key, "the Task begins");
    match task.kind {
        TaskKind::Check => Box::pin(check::check(&task, args)).await,
        TaskKind::Restore => Box::pin(restore::restore(&task, args)).await,
        TaskKind::Prove => prove::task(&task, args).await,
        TaskKind::Backup => Box::pin(backup::backup(&task, args)).await,
    }
}

/// The Report of a pod, and whether the API server has it.
struct Ended {
    report: Report,
    is_left: bool,
}

impl Ended {
    /// One that only the termination log will have.
    const fn unheard(report: Report) -> Self {
        Self { report, is_left: false }
    }
}

/// Does what changes nothing, until the pod is told to end. The kernel would not end it: it is the first process of its
/// container, which has to listen by itself. Work begins with the clock of the API server.
async fn work<F: Future<Output = Report>>(
    task: &Task,
    args: &Args,
    progress: &Progress,
    work: impl FnOnce(ServerClock) -> F,
) -> Ended {
    let mut termination = match termination() {
        Ok(termination) => termination,
        Err(report) => return Ended::unheard(*report),
    };
    tokio::select! {
        biased;
        _ = termination.recv() => Ended::unheard(cancelled()),
        ended = with_ticket(task, args, progress, work) => ended,
    }
}

/// The claim comes first and says that this pod lives.
async fn with_ticket<F: Future<Output = Report>>(
    task: &Task,
    args: &Args,
    progress: &Progress,
    work: impl FnOnce(ServerClock) -> F,
) -> Ended {
    let mut ticket = match Ticket::open(task, args).await {
        Ok(ticket) => ticket,
        Err(error) => return Ended::unheard(lost(&error)),
    };
    let clock = match ticket.claim(|_| None).await {
        Ok(clock) => clock,
        Err(error) => return leave(&mut ticket, lost(&error), progress).await,
    };
    let report = tokio::select! {
        biased;
        report = work(clock) => report,
        error = ticket.beat(progress) => return Ended::unheard(lost(&error)),
    };
    leave(&mut ticket, report, progress).await
}

/// What every pod that may be told to end needs before anything else: its ears, and its ticket.
async fn begin(task: &Task, args: &Args) -> Result<(Signal, Ticket), Box<Report>> {
    let termination = termination()?;
    let ticket = Ticket::open(task, args).await.map_err(|error| Box::new(lost(&error)))?;
    Ok((termination, ticket))
}

/// SIGTERM, from now on.
fn termination() -> Result<Signal, Box<Report>> {
    signal(SignalKind::terminate()).map_err(|error| {
        let message = format!("The pod cannot be told to end: {error}. Nothing was touched.");
        Box::new(report::ended(Outcome::Failed, Reason::JobFailed, message))
    })
}

fn cancelled() -> Report {
    let message = "The pod was told to end before it had claimed a restore. Nothing was applied.";
    report::ended(Outcome::Failed, Reason::Cancelled, message.to_owned())
}

/// The Report of a pod that could not use its ticket before it acted.
fn lost(error: &TicketError) -> Report {
    report::ended(error.outcome(), error.reason(), error.to_string())
}

/// Leaves the Report on the ticket. What cannot be left there is in the termination log.
async fn leave(ticket: &mut Ticket, report: Report, progress: &Progress) -> Ended {
    let left = ticket.leave(&report::fitted(&report), progress).await;
    if let Err(error) = &left {
        tracing::error!(%error, "the Report is not on the ticket");
    }
    Ended { is_left: left.is_ok(), report }
}

#[cfg(test)]
mod tests;
