//! Applies a snapshot, at most once: prepare, claim, send, prove.

use super::conclude::{self, Done};
use super::prepare::{Prepared, prepare};
use super::{leave, lost};
use crate::args::Args;
use crate::post::{self, Sent, Upload};
use crate::progress::Progress;
use crate::prove::{self, prove};
use crate::report;
use crate::ticket::{Claimed, Ticket};
use crate::transfer::longest;
use api::conditions::Reason;
use api::task::{Outcome, Report, Task};
use plan::proof::Post;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Restores. A termination before the claim cancels; after it the restore goes on to its end.
pub(super) async fn restore(task: &Task, args: &Args) -> Report {
    let mut termination = match signal(SignalKind::terminate()) {
        Ok(termination) => termination,
        Err(error) => {
            let message = format!("The pod cannot be told to end: {error}. Nothing was touched.");
            return report::ended(Outcome::Failed, Reason::JobFailed, message);
        }
    };
    let mut ticket = match Ticket::open(task, args).await {
        Ok(ticket) => ticket,
        Err(error) => return lost(&error),
    };
    let progress = Arc::new(Progress::default());
    let Some(pinned) = &task.pinned else {
        return leave(&mut ticket, unchecked(), &progress).await;
    };
    let half = longest(pinned.size) / 2;
    let prepared = tokio::select! {
        biased;
        _ = termination.recv() => Err(cancelled()),
        prepared = prepare(task, args, &progress) => prepared.map_err(report::Findings::unchanged),
        error = ticket.beat(&progress) => return lost(&error),
        () = tokio::time::sleep(half) => Err(slow(half)),
    };
    let report = match prepared {
        Err(report) => report,
        Ok(prepared) if was_terminated(&mut termination).await => {
            prepared.access.session.end().await;
            cancelled()
        }
        Ok(prepared) => match ticket.claim(Some(&prepared.marker)).await {
            Ok(claimed) => tokio::select! {
                biased;
                report = apply(task, prepared, claimed, half, &progress) => report,
                never = keep_beating(&mut ticket, &progress) => match never {},
            },
            Err(error) => {
                prepared.access.session.end().await;
                lost(&error)
            }
        },
    };
    leave(&mut ticket, report, &progress).await
}

/// Whether the pod was told to end before its claim.
async fn was_terminated(termination: &mut Signal) -> bool {
    tokio::select! {
        biased;
        _ = termination.recv() => true,
        () = std::future::ready(()) => false,
    }
}

/// After the claim a ticket that is lost stops nothing any more.
async fn keep_beating(ticket: &mut Ticket, progress: &Progress) -> std::convert::Infallible {
    let error = ticket.beat(progress).await;
    tracing::error!(%error, "the ticket was lost after its claim; the restore goes on to its end");
    std::future::pending().await
}

/// Sends the snapshot, once, and has the cluster prove what became of it.
async fn apply(
    task: &Task,
    prepared: Prepared,
    claimed: Claimed,
    longest: Duration,
    progress: &Arc<Progress>,
) -> Report {
    let Prepared { access, marker, active_before, path, file, size, findings } = prepared;
    tracing::info!(leader = marker.leader, path, size, "the ticket is claimed; the snapshot is sent");
    let upload =
        Upload { session: &access.session, path, file: &file, size, claimed: claimed.since, longest };
    let sent = post::send(upload, progress).await;
    tracing::info!(?sent, "the snapshot was sent");
    let post = match &sent {
        Sent::Nothing(fault) => {
            access.session.end().await;
            return conclude::nothing_sent(findings, fault);
        }
        Sent::Acknowledged => Post::Acknowledged,
        Sent::Refused(_) => Post::Refused,
        Sent::Unclear(_) => Post::Unclear,
    };
    let claim = prove::Claim { marker: &marker, active_before, claimed: claimed.at, post };
    let proof = prove(&access.cluster, &claim).await;
    if proof.verdict == plan::proof::Verdict::NotApplied {
        access.session.end().await;
    }
    conclude::conclude(
        findings,
        &Done { sent, proof, addresses: &task.cluster.addresses, leader: &marker.leader },
    )
}

fn cancelled() -> Report {
    let message = "The pod was told to end before it had claimed its ticket. Nothing was touched.";
    report::ended(Outcome::Failed, Reason::Cancelled, message.to_owned())
}

fn unchecked() -> Report {
    let message = "The Task has no snapshot that was checked before. Nothing was touched.";
    report::ended(Outcome::Refused, Reason::NotApplied, message.to_owned())
}

fn slow(limit: Duration) -> Report {
    let message = format!(
        "The restore was not ready to begin within {} s. Nothing was touched. See why store or servers are slow, then create a new request.",
        limit.as_secs()
    );
    report::ended(Outcome::Failed, Reason::DeadlineExceeded, message)
}
