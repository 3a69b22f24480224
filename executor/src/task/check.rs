//! Looks at everything, and changes nothing but markers.

use super::access::{self, Access};
use super::attempt::MARKER;
use super::{manifest, snapshot, work};
use crate::args::Args;
use crate::clock::ServerClock;
use crate::openbao::{OpenBaoError, outlasts};
use crate::progress::Progress;
use crate::report::Findings;
use api::conditions::{ConditionType, Reason};
use api::task::{Checked, Origin, Report, Task};
use archive::{Manifest, Summary};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::io::sink;

/// Checks everything that a restore needs.
pub(super) async fn check(task: &Task, args: &Args) -> Report {
    let progress = Progress::default();
    let progress = &progress;
    let look = |clock| Box::pin(async move { look(task, args, progress, clock).await.unchanged() });
    work(task, args, progress, look).await.report
}

/// Object and servers at once: what is wrong with one does not hide what is wrong with the other.
async fn look(task: &Task, args: &Args, progress: &Progress, clock: ServerClock) -> Findings {
    let ((mut findings, summary), access) =
        tokio::join!(snapshot::read(task, args, progress, sink()), access::enter(task, args, None));
    let mut manifest = None;
    if let Some(summary) = &summary {
        let (faults, found) = manifest::read(task, args, summary).await;
        findings.join(faults);
        manifest = found;
    }
    findings.origin = manifest.as_ref().and_then(manifest::origin);
    match access {
        Err(faults) => findings.join(faults),
        Ok(mut access) => {
            findings.join(std::mem::take(&mut access.findings));
            findings.join(each_is_one(task, &access).await);
            findings.join(markers(task, &access, findings.origin.as_ref(), clock).await);
            if let Some(summary) = summary {
                findings.join(hold_against(task, &access, &summary, manifest.as_ref()).await);
            }
            access.session.end().await;
        }
    }
    findings
}

/// Whether each address leads to one server, and each server to itself.
async fn each_is_one(task: &Task, access: &Access) -> Findings {
    let errors = access.cluster.each_is_one(&access.session).await;
    let mut findings = Findings::default();
    for error in errors {
        findings.join(Findings::of(task, ConditionType::ClusterResolved, &error));
    }
    findings
}

/// Whether a marker can be made: it stays, so that the restore sees whether anybody has replaced the data since. That of the
/// snapshot must be answered for, and is left as it is: it may be the only proof of a restore that is not over.
async fn markers(task: &Task, access: &Access, origin: Option<&Origin>, clock: ServerClock) -> Findings {
    let stage = ConditionType::Authenticated;
    let made = match access.session.mark(&task.request.uid, MARKER).await {
        Ok(made) => made,
        Err(error) => return Findings::of(task, stage, &error),
    };
    if let Some(origin) = origin
        && let Err(fault) = access.session.leader.has_marker(&origin.marker.token).await
    {
        let what = "the question for the marker of the snapshot";
        return Findings::of(task, stage, &OpenBaoError::unclear(what, fault));
    }
    let mut findings = Findings::default();
    let message = "The credentials may do all that a restore needs.".to_owned();
    findings.stage(stage, Some(true), Reason::Verified, message);
    let (identity, marker) = (access.identity.clone(), made.token);
    findings.checked = Some(Checked { identity, marker, at: Time(clock.now()) });
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
