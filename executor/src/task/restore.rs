//! Applies a snapshot, at most once: stage, send all but the tail, claim, send the tail, prove.

use super::attempt::{Halt, Ready, Staged};
use super::conclude::{self, Done};
use super::{access, begin, cancelled, consume, leave, lost, snapshot};
use crate::args::Args;
use crate::clock::{Moment, ServerClock};
use crate::openbao::setting;
use crate::post::Sent;
use crate::progress::Progress;
use crate::prove::{Case, prove};
use crate::report::{self, Fault, Findings};
use crate::ticket::{Ticket, TicketError};
use crate::transfer::{TransferError, longest};
use api::conditions::{ConditionType, Reason};
use api::task::{Answer, Answered, Checked, Claim, Claimed, Outcome, Pinned, Report, Task};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::proof::{Post, Verdict, read_timeout};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::{sleep, timeout};

/// Times that a POST is begun anew which broke before its tail.
const ANEW: usize = 3;
/// A claim without a clear answer for so long is given up: a held POST holds up seal and step-down of its server.
const CLAIMED_WITHIN: Duration = Duration::from_secs(5);
/// A server answers this long after the tail, and as much later as it takes to read the snapshot once more.
const ANSWERED_WITHIN: Duration = Duration::from_mins(1);
/// Bytes a second at which it does that at the least.
const READS: u64 = 20_000_000;
/// How long proof is looked for after an acknowledgement: a leader that installs a large snapshot hangs for minutes.
const PROVED_WITHIN: Duration = Duration::from_mins(10);
/// How long it is looked for without an answer; the operator has others ask, and tells meanwhile that it is not known.
const TOLD_WITHIN: Duration = Duration::from_secs(8);

/// Restores. A termination before the claim cancels; after it the restore goes on to its end.
pub(super) async fn restore(task: &Task, args: &Args) -> Report {
    let (mut termination, mut ticket) = match begin(task, args).await {
        Ok(begun) => begun,
        Err(report) => return *report,
    };
    let progress = Arc::new(Progress::default());
    let report = match (&task.pinned, &task.checked) {
        (Some(pinned), Some(checked)) => {
            let what = What { task, args, pinned, checked, progress: &progress };
            match what.run(&mut termination, &mut ticket).await {
                Ok(report) => report,
                Err(error) => return lost(&error),
            }
        }
        _ => unchecked(),
    };
    let ended = leave(&mut ticket, report, &progress).await;
    consume::afterwards(task, args, task.origin.as_ref(), &ended).await;
    ended.report
}

/// What is to be restored.
#[derive(Clone, Copy)]
struct What<'a> {
    task: &'a Task,
    args: &'a Args,
    pinned: &'a Pinned,
    checked: &'a Checked,
    progress: &'a Arc<Progress>,
}

impl<'a> What<'a> {
    /// An error: the ticket was lost before the claim.
    async fn run(self, termination: &mut Signal, ticket: &mut Ticket) -> Result<Report, TicketError> {
        let size = self.pinned.size;
        let limit = longest(size).saturating_add(read_timeout(size).unsigned_abs());
        let prepared = tokio::select! {
            biased;
            _ = termination.recv() => return Ok(cancelled()),
            prepared = self.prepare() => prepared,
            error = ticket.beat(self.progress) => return Err(error),
            () = sleep(limit) => return Ok(slow(limit)),
        };
        let (staged, ready) = match prepared {
            Ok(prepared) => prepared,
            Err(findings) => return Ok(findings.unchanged()),
        };
        if was_terminated(termination).await {
            ready.access.session.end().await;
            return Ok(cancelled());
        }
        let claimed = timeout(CLAIMED_WITHIN, ticket.claim(|now| Some(ready.claimed(&staged, now)))).await;
        match claimed.unwrap_or(Err(TicketError::Unclear(CLAIMED_WITHIN))) {
            Ok(clock) => Ok(tokio::select! {
                biased;
                report = self.apply(&staged, ready, clock) => report,
                never = keep_beating(ticket, self.progress) => match never {},
            }),
            Err(error) => {
                // The server must not wait for the rest while this pod talks to others.
                ready.posting.reset();
                ready.access.session.end().await;
                let (mut findings, report) = (Findings::default(), lost(&error));
                // What another pod did that holds the ticket, this one does not know.
                if report.outcome != Outcome::Unknown {
                    findings.stage(ConditionType::Applied, Some(false), error.reason(), error.to_string());
                }
                Ok(Report { stages: findings.unchanged().stages, ..report })
            }
        }
    }

    /// Stages the snapshot, and sends all but its tail, beginning anew where that broke.
    async fn prepare(self) -> Result<(Staged<'a>, Ready), Findings> {
        let staged = self.stage().await?;
        let mut left = ANEW;
        loop {
            match staged.attempt().await {
                Ok(ready) => return Ok((staged, ready)),
                Err(Halt::Again(findings, pause)) if left > 0 => {
                    let problem = findings.unchanged().told();
                    tracing::warn!(problem, left, "the restore begins anew, since nothing was claimed");
                    left -= 1;
                    sleep(pause).await;
                }
                Err(halt) => return Err(halt.findings()),
            }
        }
    }

    async fn stage(self) -> Result<Staged<'a>, Findings> {
        let Self { task, args, pinned, checked, progress } = self;
        let file = args.staging.join("snapshot");
        let copy = File::create(&file).map_err(|error| {
            Findings::of(task, ConditionType::SnapshotVerified, &TransferError::Staging(error))
        })?;
        let (findings, summary) = snapshot::read(task, args, progress, copy).await;
        match summary {
            Some(summary) => Ok(Staged { task, args, pinned, checked, progress, file, summary, findings }),
            None => Err(findings),
        }
    }

    /// Sends the tail, once, and has the cluster prove what became of it.
    async fn apply(self, staged: &Staged<'_>, ready: Ready, clock: ServerClock) -> Report {
        let Claimed { claim, .. } = ready.claimed(staged, clock.said);
        let Ready { access, posting, findings, .. } = ready;
        let (leader, size) = (&claim.leader, self.pinned.size);
        tracing::info!(leader, size, "the ticket is claimed; the end of the snapshot is sent");
        let (sent, pinned) = match self.still_absent(&access, &claim).await {
            Ok(()) => {
                let answer = ANSWERED_WITHIN.saturating_add(Duration::from_secs(size / READS));
                posting.finish(clock.since, answer).await
            }
            Err(fault) => {
                posting.reset();
                (Sent::Nothing(fault), None)
            }
        };
        tracing::info!(?sent, "the POST has ended");
        let read = Moment::now();
        let (answer, said) = match &sent {
            Sent::Nothing(fault) => {
                access.session.end().await;
                return conclude::tail_kept(self.task, findings, fault);
            }
            Sent::Acknowledged => (Answer::Acknowledged, "the leader acknowledged it".to_owned()),
            Sent::Refused(fault) => (Answer::Refused, format!("the leader refused it ({fault})")),
            Sent::Unclear(fault) => (Answer::Unclear, format!("the leader gave no clear answer ({fault})")),
        };
        let answered = Answered { answer, said: said.clone(), at: Time(clock.at_latest()) };
        self.progress.change(|left| left.answer = Some(answered));
        let is_acknowledged = answer == Answer::Acknowledged;
        let case = Case {
            claim: &claim,
            post: Post::TailSent(Some(answer)),
            size,
            nothing_on_its_way: false,
            acknowledged: is_acknowledged.then_some(read),
            force: self.task.force,
        };
        let within = if is_acknowledged { PROVED_WITHIN } else { TOLD_WITHIN };
        let proof = prove(&access.cluster, &case, pinned, within).await;
        if matches!(proof.verdict, Verdict::NotApplied(_)) {
            access.session.end().await;
        }
        let cut = sent.was_cut().then(|| setting(size));
        conclude::conclude(findings, &Done { task: self.task, post: said, proof, leader, cut })
    }

    /// Asked once more now that the ticket is claimed: found later, it came after the claim.
    async fn still_absent(self, access: &access::Access, claim: &Claim) -> Result<(), String> {
        let Some(origin) = &claim.origin else { return Ok(()) };
        let asked = timeout(CLAIMED_WITHIN, access.session.leader.has_marker(&origin.marker.token)).await;
        match asked.unwrap_or_else(|_| Err("it did not answer in time".to_owned())) {
            Ok(false) => Ok(()),
            Ok(true) => {
                Err("the snapshot's marker came into the data at this very moment, by another restore"
                    .to_owned())
            }
            Err(fault) => {
                Err(format!("the leader gave no clear answer about the snapshot's marker: {fault}"))
            }
        }
    }
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

fn unchecked() -> Report {
    let message = "The Task has no snapshot that was checked before. Nothing was touched.";
    report::ended(Outcome::Refused, Reason::NotApplied, message.to_owned())
}

fn slow(limit: Duration) -> Report {
    let message = format!(
        "The restore was not ready to be claimed within {} s. Nothing was applied. See why store or servers are slow, then create a new request.",
        limit.as_secs()
    );
    report::ended(Outcome::Failed, Reason::DeadlineExceeded, message)
}
