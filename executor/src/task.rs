//! The Task of this pod, and who does it.

mod access;
mod backup;
mod check;
mod conclude;
mod manifest;
mod prepare;
mod prove;
mod restore;
mod snapshot;

use crate::args::Args;
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

/// Does what changes nothing, until the pod is told to end. The kernel would not end it: it is the first process of its
/// container, which has to listen by itself.
async fn work(task: &Task, args: &Args, progress: &Progress, work: impl Future<Output = Report>) -> Report {
    let mut termination = match termination() {
        Ok(termination) => termination,
        Err(report) => return *report,
    };
    tokio::select! {
        biased;
        _ = termination.recv() => cancelled(),
        report = with_ticket(task, args, progress, work) => report,
    }
}

/// The claim comes first and says that this pod lives.
async fn with_ticket(
    task: &Task,
    args: &Args,
    progress: &Progress,
    work: impl Future<Output = Report>,
) -> Report {
    let mut ticket = match Ticket::open(task, args).await {
        Ok(ticket) => ticket,
        Err(error) => return lost(&error),
    };
    if let Err(error) = ticket.claim(|_| None).await {
        return leave(&mut ticket, lost(&error), progress).await;
    }
    let report = tokio::select! {
        biased;
        report = work => report,
        error = ticket.beat(progress) => return lost(&error),
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
    let message = "The pod was told to end before it had claimed a restore. Nothing was touched.";
    report::ended(Outcome::Failed, Reason::Cancelled, message.to_owned())
}

/// The Report of a pod that could not use its ticket before it acted.
fn lost(error: &TicketError) -> Report {
    report::ended(error.outcome(), error.reason(), error.to_string())
}

/// Leaves the Report on the ticket. What cannot be left there is in the termination log.
async fn leave(ticket: &mut Ticket, report: Report, progress: &Progress) -> Report {
    if let Err(error) = ticket.leave(&report::fitted(&report), progress).await {
        tracing::error!(%error, "the Report is not on the ticket");
    }
    report
}

#[cfg(test)]
mod tests;
