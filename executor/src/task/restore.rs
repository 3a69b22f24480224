//! Applies a snapshot, at most once: prepare, claim, send, prove.

use super::conclude::{self, Done};
use super::prepare::{Prepared, prepare};
use super::{begin, cancelled, leave, lost};
use crate::args::Args;
use crate::clock::Moment;
use crate::openbao::setting;
use crate::post::{self, Sent, Upload};
use crate::progress::Progress;
use crate::prove::{Claim, End, prove};
use crate::report;
use crate::ticket::Ticket;
use crate::transfer::longest;
use api::conditions::Reason;
use api::task::{Outcome, Report, Task};
use plan::proof::{Post, Verdict};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::Signal;

/// How long proof is looked for, whatever was left of the time for the whole: the pod's deadline leaves that.
const LEAST_PROOF: Duration = Duration::from_mins(2);
/// How long it is looked for at the most: the operator has others ask.
const LONGEST_PROOF: Duration = Duration::from_mins(10);

/// Restores. A termination before the claim cancels; after it the restore goes on to its end.
pub(super) async fn restore(task: &Task, args: &Args) -> Report {
    let (mut termination, mut ticket) = match begin(task, args).await {
        Ok(begun) => begun,
        Err(report) => return *report,
    };
    let progress = Arc::new(Progress::default());
    let Some(pinned) = &task.pinned else {
        return leave(&mut ticket, unchecked(), &progress).await;
    };
    let deadline = Instant::now() + longest(pinned.size);
    let half = longest(pinned.size) / 2;
    let prepared = tokio::select! {
        biased;
        _ = termination.recv() => Err(cancelled()),
        prepared = prepare(task, pinned, args, &progress) => prepared.map_err(report::Findings::unchanged),
        error = ticket.beat(&progress) => return lost(&error),
        () = tokio::time::sleep(half) => Err(slow(half)),
    };
    let report = match prepared {
        Err(report) => report,
        Ok(prepared) if was_terminated(&mut termination).await => {
            prepared.access.session.end().await;
            cancelled()
        }
        Ok(prepared) => match ticket.claim(|now| Some(prepared.mark.claimed(now))).await {
            Ok(claimed) => tokio::select! {
                biased;
                report = apply(task, prepared, claimed.since, deadline, &progress) => report,
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
    claimed: Moment,
    deadline: Instant,
    progress: &Arc<Progress>,
) -> Report {
    let Prepared { access, mark, path, file, pinned, findings } = prepared;
    tracing::info!(leader = mark.leader, path, pinned.size, "the ticket is claimed; the snapshot is sent");
    let longest = longest(pinned.size) / 2;
    let upload = Upload { session: &access.session, path, file, pinned: &pinned, claimed, longest };
    let sent = post::send(upload, progress).await;
    tracing::info!(?sent, "the snapshot was sent");
    let (post, told) = match &sent {
        Sent::Nothing(fault) => {
            access.session.end().await;
            return conclude::nothing_sent(task, findings, fault);
        }
        Sent::Acknowledged => (Post::Acknowledged, "the leader acknowledged it".to_owned()),
        Sent::Refused(fault) => (Post::Refused, format!("the leader refused it ({fault})")),
        Sent::Unclear(fault) => (Post::Unclear, format!("the leader gave no clear answer ({fault})")),
    };
    let claim = Claim {
        token: &mark.token,
        expires: mark.expires,
        active_before: mark.active_before,
        claimed: mark.ready,
        post,
        end: End::After(claimed, mark.on_its_way),
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let proof = prove(&access.cluster, &claim, left.clamp(LEAST_PROOF, LONGEST_PROOF)).await;
    if proof.verdict == Verdict::NotApplied {
        access.session.end().await;
    }
    let cut = sent.was_cut().then(|| setting(pinned.size));
    conclude::conclude(findings, &Done { task, post: told, proof, leader: &mark.leader, cut })
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
