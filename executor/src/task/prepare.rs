//! Everything before the claim: it can be cancelled at any moment, and nothing was changed.

use super::access::{self, Access};
use super::snapshot;
use crate::args::Args;
use crate::openbao::{OpenBaoError, SNAPSHOT, SNAPSHOT_FORCE, Seal, elect};
use crate::progress::Progress;
use crate::report::Findings;
use api::conditions::ConditionType;
use api::task::{Marker, Pinned, Task};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::proof::on_its_way;
use std::fs::File;
use std::path::PathBuf;

/// Life of the marker, within which a human can settle everything.
const MARKER: SignedDuration = SignedDuration::from_hours(168);

/// A restore that only has to be claimed and sent.
pub(super) struct Prepared {
    pub(super) access: Access,
    pub(super) mark: Mark,
    /// Where the snapshot is sent.
    pub(super) path: &'static str,
    pub(super) file: PathBuf,
    pub(super) pinned: Pinned,
    pub(super) findings: Findings,
}

/// All of the marker but when it is claimed. Times are by the clock of the leader.
pub(super) struct Mark {
    pub(super) token: String,
    pub(super) expires: Timestamp,
    pub(super) leader: String,
    pub(super) active_before: Timestamp,
    /// When everything was ready.
    pub(super) ready: Timestamp,
    /// How long after the claim a POST can be on its way.
    pub(super) on_its_way: SignedDuration,
}

impl Mark {
    /// The marker of a claim at `now`, by the clock of the API server.
    pub(super) fn claimed(&self, now: Timestamp) -> Marker {
        Marker {
            token: self.token.clone(),
            expires: Time(self.expires),
            leader: self.leader.clone(),
            active_time: self.active_before.to_string(),
            claimed_at: Time(self.ready),
            not_applied_after: Time(now.saturating_add(self.on_its_way).unwrap_or(Timestamp::MAX)),
        }
    }
}

/// Stages the snapshot, then finds the leader, logs in anew and marks it.
pub(super) async fn prepare(
    task: &Task,
    pinned: &Pinned,
    args: &Args,
    progress: &Progress,
) -> Result<Prepared, Findings> {
    let file = args.staging.join("snapshot");
    let staged = File::create(&file).map_err(|error| {
        Findings::of(task, ConditionType::SnapshotVerified, &crate::transfer::TransferError::Staging(error))
    })?;
    let (mut findings, summary) = snapshot::read(task, args, progress, staged).await;
    let Some(summary) = summary else { return Err(findings) };
    let mut access = match access::enter(task, args).await {
        Ok(access) => access,
        Err(faults) => {
            findings.join(faults);
            return Err(findings);
        }
    };
    findings.join(std::mem::take(&mut access.findings));
    let (faults, seal) = access::compatible(task, &access, &summary).await;
    findings.join(faults);
    let mark = if findings.has_problems() { None } else { mark(task, &access, pinned, &mut findings).await };
    let Some(mark) = mark else {
        access.session.end().await;
        return Err(findings);
    };
    // The server's own check of the seal stays on wherever it can pass.
    let path = if task.force && seal != Seal::Same { SNAPSHOT_FORCE } else { SNAPSHOT };
    Ok(Prepared { access, mark, path, file, pinned: pinned.clone(), findings })
}

/// Makes the marker on the leader, and sees that all servers still agree on it, as it was found.
async fn mark(task: &Task, access: &Access, pinned: &Pinned, findings: &mut Findings) -> Option<Mark> {
    let session = &access.session;
    let marked = async {
        let marked = session.mark(&task.request.uid, MARKER).await.map_err(|error| vec![error])?;
        let now = elect(&access.cluster.look().await, task.force)?;
        if (now.index, now.active) != (access.leader.index, access.leader.active) {
            let moved = "another server leads, or it leads anew, since the restore was prepared".to_owned();
            return Err(vec![OpenBaoError::NoLeader(moved)]);
        }
        let ready = now.said_at.ok_or_else(|| {
            vec![OpenBaoError::Answer { what: "who leads", fault: "it has no Date".to_owned() }]
        })?;
        Ok(Mark {
            token: marked.token,
            expires: marked.expires,
            leader: session.leader.address.clone(),
            active_before: now.active,
            ready,
            on_its_way: on_its_way(pinned.size, session.left()),
        })
    };
    let faults = |errors: Vec<OpenBaoError>| {
        for error in errors {
            findings.join(Findings::of(task, ConditionType::Authenticated, &error));
        }
    };
    marked.await.map_err(faults).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: a marker is judged, or a lock released, by the clock of this pod.
    #[test]
    fn each_time_of_the_marker_is_by_its_own_clock() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mark = Mark {
            token: "s.m".to_owned(),
            expires: at("2030-01-08T00:00:00Z"),
            leader: "https://bao-0:8200".to_owned(),
            active_before: at("2029-12-31T12:00:00.5Z"),
            ready: at("2030-01-01T00:00:00Z"),
            on_its_way: SignedDuration::from_mins(75),
        };
        let marker = mark.claimed(at("2020-02-20T20:20:20Z"));
        assert_eq!(marker.claimed_at.0, mark.ready);
        assert_eq!(marker.expires.0, mark.expires);
        assert_eq!(marker.not_applied_after.0, at("2020-02-20T21:35:20Z"));
        assert_eq!(marker.active_time.parse::<Timestamp>().unwrap(), mark.active_before);
        let text = serde_json::to_string(&marker).unwrap();
        assert_eq!(serde_json::from_str::<Marker>(&text).unwrap(), marker, "{text}");
        let endless = Mark { on_its_way: SignedDuration::MAX, ..mark };
        assert_eq!(endless.claimed(Timestamp::now()).not_applied_after.0, Timestamp::MAX);
    }
}
