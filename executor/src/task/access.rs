//! The way to the leader: every server asked, one login, and whether it may restore.

use crate::args::Args;
use crate::dial::Guard;
use crate::openbao::{Cluster, Leader, Node, OpenBaoError, Purpose, Seal, Session};
use crate::report::{Fault, Findings};
use crate::steps;
use api::conditions::{ConditionType, Reason};
use api::task::{Checked, Identity, Task};
use archive::{Summary, Version};
use std::time::Duration;

/// Longest wait for a server that is behind the leader.
const CATCH_UP: Duration = Duration::from_secs(10);

/// A login at the leader, which may do what a restore needs.
pub(super) struct Access {
    pub(super) cluster: Cluster,
    pub(super) leader: Leader,
    /// Which OpenBao it is.
    pub(super) identity: Identity,
    pub(super) session: Session,
    /// What was found on the way.
    pub(super) findings: Findings,
}

/// Finds the leader and logs in, unless the servers are others than those that were `checked`; everything that stands in the
/// way comes back.
pub(super) async fn enter(task: &Task, args: &Args, checked: Option<&Checked>) -> Result<Access, Findings> {
    let cluster = Cluster::open(&task.cluster, &args.mounts.join("openbao-ca"), &Guard::of(args))
        .map_err(|error| not_asked(task, &[error]))?;
    let servers = &task.cluster;
    if servers.addresses.len() < servers.replicas {
        let (have, need) = (servers.addresses.len(), servers.replicas);
        return Err(not_asked(task, &[OpenBaoError::AddressMissing { have, need }]));
    }
    let leader = cluster.elect(task.force).await.map_err(|errors| not_asked(task, &errors))?;
    let Some(node) = cluster.node(leader.index) else { return Err(Findings::default()) };
    let identity = leader.identity().map_err(|error| not_asked(task, &[error]))?;
    if let Some(checked) = checked {
        is_checked(node, &identity, checked).await.map_err(|error| not_asked(task, &[error]))?;
    }
    let mut findings = keeps_up(task, &cluster, &leader, CATCH_UP).await;
    match log_in(task, args, node).await {
        Ok(session) => Ok(Access { cluster, leader, identity, session, findings }),
        Err(error) => {
            findings.join(Findings::of(task, ConditionType::Authenticated, &error));
            Err(findings)
        }
    }
}

async fn log_in(task: &Task, args: &Args, node: &Node) -> Result<Session, OpenBaoError> {
    let login = task.login.as_ref().ok_or(OpenBaoError::NoLogin)?;
    let session = Session::begin(node, login, &args.mounts, Purpose::Restore).await?;
    if let Err(error) = session.may_restore(task.force).await {
        session.end().await;
        return Err(error);
    }
    Ok(session)
}

/// Without the right servers there was no login: nothing is known about it.
fn not_asked(task: &Task, errors: &[OpenBaoError]) -> Findings {
    let mut findings = Findings::default();
    for error in errors {
        findings.join(Findings::of(task, ConditionType::ClusterResolved, error));
    }
    let reason = errors.first().map_or(Reason::NoLeader, Fault::reason);
    let message = "Not tried, since the servers have not passed what comes before it.".to_owned();
    findings.stage(ConditionType::Authenticated, None, reason, message);
    findings
}

/// Whether every server has what the leader had committed: one that has not cannot follow it through a restore.
async fn keeps_up(task: &Task, cluster: &Cluster, leader: &Leader, within: Duration) -> Findings {
    let stage = ConditionType::ClusterResolved;
    let Some(address) = cluster.laggard(leader, within).await else {
        let mut findings = Findings::default();
        let message = "The servers are unsealed and agree on their leader.".to_owned();
        findings.stage(stage, Some(true), Reason::Verified, message);
        return findings;
    };
    let error = OpenBaoError::Behind { address };
    if !task.force {
        return Findings::of(task, stage, &error);
    }
    let mut findings = Findings::default();
    findings.stage(stage, Some(true), error.reason(), format!("{error} This request has it."));
    findings
}

/// Whether the servers are those that were checked, with data that nobody has replaced since.
async fn is_checked(leader: &Node, now: &Identity, checked: &Checked) -> Result<(), OpenBaoError> {
    let then = &checked.identity;
    if now.cluster_id != then.cluster_id {
        let (now, then) = (now.cluster_id.clone(), then.cluster_id.clone());
        return Err(OpenBaoError::OtherCluster { now, then });
    }
    if now.raft_index < then.raft_index {
        return Err(OpenBaoError::OlderData { now: now.raft_index, then: then.raft_index });
    }
    let what = "the question for the marker of the check";
    match leader.has_marker(&checked.marker).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(OpenBaoError::Superseded),
        Err(fault) => Err(OpenBaoError::unclear(what, fault)),
    }
}

/// Holds the snapshot against the servers: their versions, and the dry run of the seal check.
pub(super) async fn compatible(task: &Task, access: &Access, summary: &Summary) -> (Findings, Seal) {
    let mut findings = Findings::default();
    if let Err(error) = not_older(&access.leader.versions, summary) {
        findings.join(Findings::of(task, ConditionType::ClusterResolved, &error));
    }
    let seal = access.session.seal(summary).await;
    let stage = ConditionType::SealCompatible;
    match &seal {
        Seal::Same => {
            let message = "The cluster has the keys that the snapshot is sealed with.".to_owned();
            findings.stage(stage, Some(true), Reason::Verified, message);
        }
        Seal::Other if task.force => {
            let message = "The snapshot is sealed with other keys than this cluster has; force accepts it. \
                           Afterwards only the keys of the snapshot's cluster unseal it.";
            findings.stage(stage, Some(true), Reason::SealMismatch, message.to_owned());
            findings.next_steps.extend(steps::other_keys(summary));
        }
        Seal::Other => findings.join(Findings::of(task, stage, &OpenBaoError::OtherKeys)),
        Seal::Inconclusive(fault) => {
            let message = format!(
                "Whether the cluster has the keys of the snapshot is not known: the dry run gave no verdict ({fault})."
            );
            findings.stage(stage, None, Reason::SealUnknown, message);
            if task.force {
                findings.next_steps.extend(steps::other_keys(summary));
            }
        }
    }
    (findings, seal)
}

/// An older server takes the snapshot, and seals itself on it.
fn not_older(servers: &[String], summary: &Summary) -> Result<(), OpenBaoError> {
    let older = |snapshot: &str, server: &str| {
        Err(OpenBaoError::Older { snapshot: snapshot.to_owned(), server: server.to_owned() })
    };
    let snapshot = match (&summary.newest_version, &summary.unreadable_version) {
        (Some(version), None) => version,
        (_, unreadable) => return older(unreadable.as_deref().unwrap_or("of no known version"), "another"),
    };
    for text in servers {
        // A server whose version cannot be read cannot be said to be new enough.
        if !Version::parse(text).is_ok_and(|server| server.cmp_precedence(snapshot).is_ge()) {
            return older(&snapshot.to_string(), text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openbao::elect;
    use crate::testing::{Bao, SNAPSHOT, task};
    use api::task::TaskKind;

    /// Bug: versions are compared as text, or what cannot be compared passes.
    #[test]
    fn no_server_may_be_older_than_the_snapshot() {
        let mut verifier = archive::Verifier::new();
        verifier.push(SNAPSHOT).unwrap();
        let mut summary = verifier.finish().unwrap();
        let fits = |servers: &[&str], summary: &Summary| {
            let servers: Vec<String> = servers.iter().map(|text| (*text).to_owned()).collect();
            not_older(&servers, summary).is_ok()
        };
        assert!(fits(&["2.7.2", "2.10.0", "2.7.2+build"], &summary));
        for servers in [["2.7.2", "2.7.1"], ["2.7.2", "2.7.2-beta1"], ["2.7.2", "unknown"]] {
            assert!(!fits(&servers, &summary), "{servers:?}");
        }
        summary.unreadable_version = Some("next".to_owned());
        assert!(!fits(&["2.7.2"], &summary));
        summary.unreadable_version = None;
        summary.newest_version = None;
        assert!(!fits(&["2.7.2"], &summary));
    }

    /// Bug: a server that only answers late is refused, or one that is stuck is not; a request with force meets neither.
    #[tokio::test]
    async fn a_server_that_stays_behind_is_told() {
        let bao = Bao::start(3).await;
        let cluster = bao.cluster();
        bao.server(2, |server| server.applied = 5);
        let leader = elect(&cluster.look().await, false).unwrap();
        let mut task = task(TaskKind::Check);
        let behind = keeps_up(&task, &cluster, &leader, Duration::ZERO).await.unchanged();
        assert_eq!(behind.problems[0].reason, Reason::IndexLag);
        assert!(behind.problems[0].message.contains(&bao.addresses[2]), "{:?}", behind.problems);
        assert!(behind.next_steps[0].starts_with("bao operator raft autopilot state   # or a new request"));
        task.force = true;
        let forced = keeps_up(&task, &cluster, &leader, Duration::ZERO).await.unchanged();
        assert_eq!((forced.problems.len(), forced.stages[0].holds), (0, Some(true)));
        assert_eq!(forced.stages[0].reason, Reason::IndexLag);

        task.force = false;
        let asked = bao.server(2, |server| server.asked.len());
        let catches_up = async {
            while bao.server(2, |server| server.asked.len()) == asked {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            bao.server(2, |server| server.applied = 9);
        };
        let (late, ()) = tokio::join!(keeps_up(&task, &cluster, &leader, CATCH_UP), catches_up);
        assert!(!late.has_problems());
    }
}
