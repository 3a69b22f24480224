//! Looks at everything, changes nothing.

use super::access::{self, Access};
use super::{manifest, snapshot, work};
use crate::args::Args;
use crate::openbao::outlasts;
use crate::progress::Progress;
use crate::report::Findings;
use api::conditions::{ConditionType, Reason};
use api::task::{Report, Task};
use archive::{Manifest, Summary};
use jiff::SignedDuration;
use std::io::sink;

/// Life of the marker that only shows that one can be made.
const TRIAL: SignedDuration = SignedDuration::from_secs(60);

/// Checks everything that a restore needs.
pub(super) async fn check(task: &Task, args: &Args) -> Report {
    let progress = Progress::default();
    let look = Box::pin(async { look(task, args, &progress).await.unchanged() });
    work(task, args, &progress, look).await
}

/// Object and servers at once: what is wrong with one does not hide what is wrong with the other.
async fn look(task: &Task, args: &Args, progress: &Progress) -> Findings {
    let ((mut findings, summary), access) =
        tokio::join!(snapshot::read(task, args, progress, sink()), access::enter(task, args));
    let mut manifest = None;
    if let Some(summary) = &summary {
        let (faults, found) = manifest::read(task, args, summary).await;
        findings.join(faults);
        manifest = found;
    }
    match access {
        Err(faults) => findings.join(faults),
        Ok(mut access) => {
            findings.join(std::mem::take(&mut access.findings));
            findings.join(try_marker(task, &access).await);
            if let Some(summary) = summary {
                findings.join(hold_against(task, &access, &summary, manifest.as_ref()).await);
            }
            access.session.end().await;
        }
    }
    findings
}

/// Whether a marker can be made.
async fn try_marker(task: &Task, access: &Access) -> Findings {
    let stage = ConditionType::Authenticated;
    if let Err(error) = access.session.mark(&task.request.uid, TRIAL).await {
        return Findings::of(task, stage, &error);
    }
    let mut findings = Findings::default();
    let message = "The credentials may do all that a restore needs.".to_owned();
    findings.stage(stage, Some(true), Reason::Verified, message);
    findings
}

/// Snapshot against servers.
async fn hold_against(
    task: &Task,
    access: &Access,
    summary: &Summary,
    manifest: Option<&Manifest>,
) -> Findings {
    let (mut findings, _) = access::compatible(task, access, summary).await;
    if let Some(manifest) = manifest {
        findings.join(manifest::same_cluster(manifest, &access.leader));
    }
    if let Err(error) = outlasts(&access.session.leader, summary.object_size).await {
        findings.join(Findings::of(task, ConditionType::ClusterResolved, &error));
    }
    findings
}

#[cfg(test)]
mod tests;
