//! Everything before the claim: it can be cancelled at any moment, and nothing was changed.

use super::access::{self, Access};
use super::snapshot;
use crate::args::Args;
use crate::openbao::{OpenBaoError, SNAPSHOT, SNAPSHOT_FORCE, Seal};
use crate::progress::Progress;
use crate::report::Findings;
use api::conditions::ConditionType;
use api::task::{Marker, Task};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::fs::File;
use std::path::PathBuf;

/// Life of the marker, in seconds: 168 h, within which a human can settle everything.
const MARKER: u32 = 168 * 3600;

/// A restore that only has to be claimed and sent.
pub(super) struct Prepared {
    pub(super) access: Access,
    pub(super) marker: Marker,
    pub(super) active_before: Timestamp,
    /// Where the snapshot is sent.
    pub(super) path: &'static str,
    pub(super) file: PathBuf,
    pub(super) size: u64,
    pub(super) findings: Findings,
}

/// Stages the snapshot, then finds the leader, logs in anew and marks it.
pub(super) async fn prepare(task: &Task, args: &Args, progress: &Progress) -> Result<Prepared, Findings> {
    let file = args.staging.join("snapshot");
    let staged = File::create(&file).map_err(|error| {
        Findings::of(ConditionType::SnapshotVerified, &crate::transfer::TransferError::Staging(error))
    })?;
    let (mut findings, summary) = snapshot::read(task, args, progress, staged).await;
    let Some(summary) = summary else { return Err(findings) };
    let access = match access::enter(task, args).await {
        Ok(access) => access,
        Err(faults) => {
            findings.join(faults);
            return Err(findings);
        }
    };
    let (faults, seal) = access::compatible(task, &access, &summary).await;
    findings.join(faults);
    let done = if findings.has_problems() { None } else { mark(task, &access, &mut findings).await };
    let Some((marker, active_before)) = done else {
        access.session.end().await;
        return Err(findings);
    };
    // The server's own check of the seal stays on wherever it can pass.
    let path = if task.force && seal != Seal::Same { SNAPSHOT_FORCE } else { SNAPSHOT };
    Ok(Prepared { access, marker, active_before, path, file, size: summary.object_size, findings })
}

/// Makes the marker on the leader, and sees that it still is the leader, as it was found.
async fn mark(task: &Task, access: &Access, findings: &mut Findings) -> Option<(Marker, Timestamp)> {
    let session = &access.session;
    let marked = async {
        let (token, expires) = session.mark(&task.request.uid, MARKER).await?;
        let moved =
            |fault| OpenBaoError::NoLeader(format!("it moved while the restore was prepared ({fault})"));
        let now = session.leader.leadership().await.map_err(moved)?;
        let active = access.leader.active;
        if !now.is_self || now.active_time != Some(active) {
            return Err(moved("another server leads, or it leads anew".to_owned()));
        }
        let leader = session.leader.address.clone();
        let marker = Marker {
            token,
            expires: Time(expires),
            leader,
            active_time: active.to_string(),
            claimed_at: Time(Timestamp::now()),
            not_applied_after: Time(Timestamp::now()),
        };
        Ok((marker, active))
    };
    marked
        .await
        .map_err(|error: OpenBaoError| findings.join(Findings::of(ConditionType::Authenticated, &error)))
        .ok()
}
