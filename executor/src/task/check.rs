//! Looks at everything, changes nothing.

use super::{access, leave, lost, snapshot};
use crate::args::Args;
use crate::progress::Progress;
use crate::report::Findings;
use crate::ticket::Ticket;
use access::Access;
use api::conditions::{ConditionType, Reason};
use api::task::{Report, Task};
use std::io::sink;

/// Life of the marker that only shows that one can be made, in seconds.
const TRIAL: u32 = 60;

/// Checks everything that a restore needs; the claim comes first and says that this pod lives.
pub(super) async fn check(task: &Task, args: &Args) -> Report {
    let mut ticket = match Ticket::open(task, args).await {
        Ok(ticket) => ticket,
        Err(error) => return lost(&error),
    };
    let progress = Progress::default();
    if let Err(error) = ticket.claim(None).await {
        return leave(&mut ticket, lost(&error), &progress).await;
    }
    let findings = tokio::select! {
        biased;
        findings = look(task, args, &progress) => findings,
        error = ticket.beat(&progress) => return lost(&error),
    };
    leave(&mut ticket, findings.unchanged(), &progress).await
}

/// Object and servers at once: what is wrong with one does not hide what is wrong with the other.
async fn look(task: &Task, args: &Args, progress: &Progress) -> Findings {
    let ((mut findings, summary), access) =
        tokio::join!(snapshot::read(task, args, progress, sink()), enter(task, args));
    match access {
        Err(faults) => findings.join(faults),
        Ok((access, faults)) => {
            findings.join(faults);
            if let Some(summary) = summary {
                findings.join(access::compatible(task, &access, &summary).await.0);
            }
            access.session.end().await;
        }
    }
    findings
}

/// Logs in, and tries whether a marker can be made.
async fn enter(task: &Task, args: &Args) -> Result<(Access, Findings), Findings> {
    let access = access::enter(task, args).await?;
    let mut findings = Findings::default();
    if let Err(error) = access.session.mark(&task.request.uid, TRIAL).await {
        findings.join(Findings::of(ConditionType::Authenticated, &error));
    } else {
        let message = "The credentials may do all that a restore needs.".to_owned();
        findings.stage(ConditionType::Authenticated, Some(true), Reason::Verified, message);
    }
    Ok((access, findings))
}
