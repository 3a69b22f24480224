//! One attempt at a restore, up to its claim: it can be given up at any moment, begun anew, and nothing was changed.

use super::access::{self, Access};
use super::consume;
use crate::args::Args;
use crate::openbao::{OpenBaoError, PATIENCE, SNAPSHOT, SNAPSHOT_FORCE, Seal, elect, setting};
use crate::post::{Ended, Posting, Upload};
use crate::progress::Progress;
use crate::report::Findings;
use api::conditions::ConditionType;
use api::task::{Checked, Claim, Claimed, Identity, Origin, Pinned, Task};
use archive::Summary;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::proof::nothing_after;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Life of the request's marker, within which a human can settle everything.
pub(super) const MARKER: SignedDuration = SignedDuration::from_hours(168);
/// A POST is held no longer for questions: it holds up seal and step-down of its server.
const HELD: Duration = Duration::from_secs(10);
/// Pause before another attempt, unless the server says how long it wants to be left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// What every attempt of a restore has: the snapshot on the disk of this pod, and what was checked before.
pub(super) struct Staged<'a> {
    pub(super) task: &'a Task,
    pub(super) args: &'a Args,
    pub(super) pinned: &'a Pinned,
    pub(super) checked: &'a Checked,
    pub(super) progress: &'a Arc<Progress>,
    pub(super) file: PathBuf,
    pub(super) summary: Summary,
    pub(super) findings: Findings,
}

/// A POST that lacks its tail, and what is to be claimed for it.
pub(super) struct Ready {
    pub(super) access: Access,
    pub(super) posting: Posting,
    pub(super) findings: Findings,
    marker: String,
    expires: Timestamp,
    identity: Identity,
}

/// Why an attempt came to nothing. Nothing was applied.
pub(super) enum Halt {
    /// It may go better another time, after this pause.
    Again(Findings, Duration),
    /// It will not.
    Final(Findings),
}

impl Halt {
    pub(super) fn findings(self) -> Findings {
        match self {
            Self::Again(findings, _) | Self::Final(findings) => findings,
        }
    }

    /// By what was found on the way.
    fn of(findings: Findings) -> Self {
        if findings.are_passing() { Self::Again(findings, PAUSE) } else { Self::Final(findings) }
    }
}

impl Ready {
    /// What is claimed at this time of the API server.
    pub(super) fn claimed(&self, staged: &Staged<'_>, now: Timestamp) -> Claimed {
        let claim = Claim {
            marker: self.marker.clone(),
            expires: Time(self.expires),
            origin: staged.task.origin.clone(),
            leader: self.access.session.leader.address.clone(),
            identity: self.identity.clone(),
            nothing_after: Time(nothing_after(now, staged.pinned.size)),
        };
        Claimed { claim, servers: staged.task.cluster.clone() }
    }
}

impl Staged<'_> {
    /// From the election to the moment in which only the claim and the tail are missing.
    pub(super) async fn attempt(&self) -> Result<Ready, Halt> {
        let entered = access::enter(self.task, self.args, Some(self.checked)).await;
        let mut access = entered.map_err(Halt::of)?;
        let mut findings = std::mem::take(&mut access.findings);
        findings.join(self.findings.clone());
        let begun = async {
            let (faults, seal) = access::compatible(self.task, &access, &self.summary).await;
            if faults.has_problems() {
                return Err(Halt::of(faults));
            }
            // The server's own check of the seal stays on wherever it can pass.
            let path = if self.task.force && seal != Seal::Same { SNAPSHOT_FORCE } else { SNAPSHOT };
            Ok((faults, self.posted(&access, path).await?))
        };
        match begun.await {
            Ok((found, (posting, marker, expires, identity))) => {
                findings.join(found);
                Ok(Ready { access, posting, findings, marker, expires, identity })
            }
            Err(halt) => {
                access.session.end().await;
                Err(halt)
            }
        }
    }

    /// Marks, sends all but the tail on a connection whose server has said on it that it leads, and sees that the snapshot's
    /// marker is in no data.
    async fn posted(
        &self,
        access: &Access,
        path: &'static str,
    ) -> Result<(Posting, String, Timestamp, Identity), Halt> {
        let session = &access.session;
        let marked =
            session.mark(&self.task.request.uid, MARKER).await.map_err(|error| self.halted(&error))?;
        let unreachable = |fault| self.halted(&OpenBaoError::unreachable(&session.leader.address, fault));
        let mut connection = session.leader.connect().await.map_err(unreachable)?;
        let said = connection.leadership().await.map_err(unreachable)?;
        if !said.is_self || said.active_time != Some(access.leader.active) {
            let moved = "another server leads, or it leads anew, since it was elected".to_owned();
            return Err(self.halted(&OpenBaoError::NoLeader(moved)));
        }
        let identity = Identity { raft_index: said.raft_applied_index, ..access.identity.clone() };
        let token = session.one_use().await;
        let upload = Upload {
            token: &token,
            cluster_id: &identity.cluster_id,
            path,
            file: self.file.clone(),
            pinned: self.pinned,
            tail: self.summary.tail,
        };
        let mut posting = connection.post(upload, self.progress);
        posting.ready().await.map_err(|ended| self.ended(ended))?;
        match timeout(HELD, self.last_questions(access)).await {
            Ok(answered) => answered?,
            Err(_) => return Err(self.held_too_long()),
        }
        // It may have ended meanwhile.
        posting.ready().await.map_err(|ended| self.ended(ended))?;
        Ok((posting, marked.token, marked.expires, identity))
    }

    /// What is asked while the POST is held.
    async fn last_questions(&self, access: &Access) -> Result<(), Halt> {
        self.agree(access).await?;
        match &self.task.origin {
            Some(origin) => self.absent(access, origin).await,
            None => Ok(()),
        }
    }

    fn held_too_long(&self) -> Halt {
        let fault = format!("nothing clear came within {} s", HELD.as_secs());
        self.halted(&OpenBaoError::unclear("the last questions before the claim", fault))
    }

    /// Whether all servers still agree on the leader, as it was found.
    async fn agree(&self, access: &Access) -> Result<(), Halt> {
        let now = elect(&access.cluster.look().await, self.task.force).map_err(|errors| {
            let mut findings = Findings::default();
            for error in errors {
                findings.join(self.findings_of(&error));
            }
            Halt::of(findings)
        })?;
        if (now.index, now.active) == (access.leader.index, access.leader.active) {
            return Ok(());
        }
        let moved = "another server leads, or it leads anew, since the POST began".to_owned();
        Err(self.halted(&OpenBaoError::NoLeader(moved)))
    }

    /// Without a clear answer there is no claim: found afterwards, the marker would prove nothing.
    pub(super) async fn absent(&self, access: &Access, origin: &Origin) -> Result<(), Halt> {
        let what = "the question for the marker of the snapshot";
        consume::absent(&access.session.leader, origin)
            .await
            .map_err(|fault| self.halted(&OpenBaoError::unclear(what, fault)))
    }

    fn ended(&self, ended: Ended) -> Halt {
        match ended {
            Ended::Again { fault, after } => {
                let findings = self.findings_of(&OpenBaoError::of_post(fault));
                // The lock is not held for a longer pause.
                let is_soon = after <= PATIENCE;
                if is_soon { Halt::Again(findings, after.max(PAUSE)) } else { Halt::Final(findings) }
            }
            Ended::Final(fault) => Halt::Final(self.findings_of(&OpenBaoError::PostRefused(fault))),
            Ended::Unready(fault) => Halt::Final(self.findings_of(&OpenBaoError::PostUnready(fault))),
            Ended::ReadTimeout(fault) => {
                let setting = setting(self.pinned.size);
                Halt::Final(self.findings_of(&OpenBaoError::PostCut { fault, setting }))
            }
        }
    }

    fn halted(&self, error: &OpenBaoError) -> Halt {
        Halt::of(self.findings_of(error))
    }

    fn findings_of(&self, error: &OpenBaoError) -> Findings {
        Findings::of(self.task, ConditionType::Applied, error)
    }
}
