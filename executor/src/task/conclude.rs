//! The Report of a restore that was claimed, whoever finds out about it.

use crate::prove::{Proof, Sealed};
use crate::report::{Fault, Findings};
use crate::steps;
use api::conditions::{ConditionType, Reason};
use api::task::{Outcome, Report, Task};
use plan::proof::{Applied, Doubt, Look, Lookup, NotApplied, Verdict};
use thiserror::Error;

/// What the cluster says about a restore.
pub(super) struct Done<'a> {
    pub(super) task: &'a Task,
    /// How the POST ended, in words.
    pub(super) post: String,
    pub(super) proof: Proof,
    /// Where the snapshot was sent.
    pub(super) leader: &'a str,
    /// What to write for the read timeout of the listener, if it cut the POST.
    pub(super) cut: Option<String>,
}

/// Why a claimed restore is not done. Each begins with how the POST ended.
#[derive(Debug, Error)]
enum Undone {
    #[error(
        "The snapshot was not applied: the end of it, without which no server accepts it, was never sent ({0}). Create a new request."
    )]
    TailKept(String),
    #[error("The snapshot was not applied: {post}. {evidence} Create a new request.")]
    NotApplied { post: String, evidence: String },
    #[error(
        "The snapshot was not applied: {post}. {evidence} The listener of the server cut the upload: set http_read_timeout = \"{setting}\" in the listener of every server and restart them, then create a new request."
    )]
    Cut { post: String, evidence: String, setting: String },
    #[error("Whether the snapshot was applied is not known: {post}, and {doubt}.{evidence}")]
    Unknown { post: String, doubt: String, evidence: String },
}

impl Fault for Undone {
    fn reason(&self) -> Reason {
        match self {
            Self::TailKept(_) | Self::NotApplied { .. } => Reason::NotApplied,
            Self::Cut { .. } => Reason::ReadTimeout,
            Self::Unknown { .. } => Reason::OutcomeUnknown,
        }
    }

    fn field(&self) -> Option<String> {
        None
    }

    fn is_passing(&self) -> bool {
        true
    }

    fn next_step(&self, task: &Task) -> String {
        match self {
            Self::TailKept(_) | Self::NotApplied { .. } => steps::new_request(task, None),
            Self::Cut { setting, .. } => steps::read_timeout(setting),
            Self::Unknown { .. } => steps::status(task.cluster.addresses.first().map_or("", String::as_str)),
        }
    }
}

/// Not a byte of the tail left this pod.
pub(super) fn tail_kept(task: &Task, mut findings: Findings, fault: &str) -> Report {
    findings.next_steps.clear();
    let undone = Undone::TailKept(fault.to_owned());
    findings.join(Findings::of(task, ConditionType::Applied, &undone));
    findings.ended(Outcome::Failed)
}

/// By the verdict of the proof, and by nothing else.
pub(super) fn conclude(findings: Findings, done: &Done<'_>) -> Report {
    match done.proof.verdict {
        Verdict::Applied(by) => applied(findings, done, by),
        Verdict::NotApplied(NotApplied::TailKept) => tail_kept(done.task, findings, &done.post),
        Verdict::NotApplied(NotApplied::Refused | NotApplied::MarkerStays) => not_applied(findings, done),
        Verdict::Unknown(doubt) => unknown(findings, done, doubt),
    }
}

fn applied(mut findings: Findings, done: &Done<'_>, by: Applied) -> Report {
    let by = match by {
        Applied::Marker => {
            "The data of the cluster are those of the snapshot: its marker, which was not there before, is there."
        }
        Applied::Watched => {
            "The data of the cluster are those of the snapshot: the leader acknowledged it, became active anew and lost the marker of the request. The snapshot has no marker of its own."
        }
    };
    let message = format!("{by} {}", evidence(&done.proof));
    findings.stage(ConditionType::Applied, Some(true), Reason::Proved, message);
    let (servers, proof) = (&done.task.cluster, &done.proof);
    let (holds, reason, message) = if servers.replicas.max(servers.addresses.len()) > 1 {
        let message = "Standbys serve policies and mounts of before until they are restarted.";
        (false, Reason::StandbysStale, message)
    } else {
        (true, Reason::Proved, "There are no standbys that could serve policies and mounts of before.")
    };
    findings.stage(ConditionType::StandbysRefreshed, Some(holds), reason, message.to_owned());
    findings.next_steps.extend(proof.sealed.iter().map(unseal));
    let leader = proof.look.as_ref().map_or(done.leader, |look| &look.leader);
    findings.next_steps.extend(steps::restart(&servers.addresses, leader));
    findings.ended(Outcome::Done)
}

fn not_applied(mut findings: Findings, done: &Done<'_>) -> Report {
    findings.next_steps.clear();
    let (post, evidence) = (done.post.clone(), evidence(&done.proof));
    let undone = match done.cut.clone() {
        Some(setting) => Undone::Cut { post, evidence, setting },
        None => Undone::NotApplied { post, evidence },
    };
    let is_refused = done.proof.verdict == Verdict::NotApplied(NotApplied::Refused);
    for server in &done.proof.sealed {
        if server.address == done.leader && !is_refused {
            findings.next_steps.extend(steps::diverged(&server.address, true));
        } else {
            findings.next_steps.push(unseal(server));
        }
    }
    if done.proof.is_silent && !is_refused {
        findings.next_steps.extend(steps::diverged(done.leader, false));
    }
    findings.join(Findings::of(done.task, ConditionType::Applied, &undone));
    findings.ended(Outcome::Failed)
}

fn unknown(mut findings: Findings, done: &Done<'_>, doubt: Doubt) -> Report {
    let (addresses, sealed) = (&done.task.cluster.addresses, &done.proof.sealed);
    let undone = Undone::Unknown {
        post: done.post.clone(),
        doubt: doubts(done, doubt),
        evidence: done.proof.look.as_ref().map(|_| format!(" {}", evidence(&done.proof))).unwrap_or_default(),
    };
    if done.proof.hung {
        findings.next_steps.push(steps::restart_hung(done.leader));
    }
    // Where all are sealed there is nothing that a server could diverge from, and no proof without unsealing.
    let all = sealed.len() == addresses.len();
    for server in sealed {
        let stays = !all && server.address == done.leader;
        findings.next_steps.push(if stays { steps::leave_sealed(&server.address) } else { unseal(server) });
    }
    findings.fault(done.task, &undone);
    findings.next_steps.extend(addresses.iter().skip(1).map(|address| steps::status(address)));
    findings.stage(ConditionType::Applied, None, Reason::OutcomeUnknown, undone.to_string());
    findings.ended(Outcome::Unknown)
}

/// Why it is not known, in words.
fn doubts(done: &Done<'_>, doubt: Doubt) -> String {
    let seconds = done.proof.looked.as_secs();
    if done.proof.hung {
        return format!("{} answers nothing any more, not even sys/health: restart it", done.leader);
    }
    match doubt {
        Doubt::NoAnswer if !done.proof.sealed.is_empty() => {
            let names: Vec<&str> =
                done.proof.sealed.iter().map(|server| server.address.as_str()).collect();
            format!("no leader gave proof within {seconds} s, these servers are sealed: {}", names.join(", "))
        }
        Doubt::NoAnswer => format!("no leader gave proof within {seconds} s"),
        Doubt::OnItsWay => "the request's marker is still there, but the snapshot may still be on its way".to_owned(),
        Doubt::Replaced => "neither marker is there: somebody else has replaced the data, or the volumes are older ones, or the servers were initialised anew".to_owned(),
        Doubt::NoMarker => "the request's marker is gone, and the snapshot has none that could tell whether its data are there".to_owned(),
        Doubt::OtherCluster => "the servers are not the OpenBao that the snapshot was sent to, or their data are older".to_owned(),
    }
}

/// What the verdict rests on: which markers, which server, which cluster, and when.
fn evidence(proof: &Proof) -> String {
    let Some(look) = &proof.look else { return String::new() };
    let asked = proof.asked.map(|asked| format!(" at {asked}")).unwrap_or_default();
    let Look { leader, identity, .. } = look;
    let request = found(look.request);
    let snapshot = look.snapshot.map_or("cannot be asked for", found);
    format!(
        "Asked{asked}: leader {leader}, cluster id {}, active since {}, raft index {}; the request's marker {request}, the snapshot's marker {snapshot}.",
        identity.cluster_id, identity.active_time, identity.raft_index
    )
}

const fn found(lookup: Lookup) -> &'static str {
    match lookup {
        Lookup::Present => "is there",
        Lookup::Absent => "is not there",
        Lookup::Unclear => "got no clear answer",
    }
}

fn unseal(server: &Sealed) -> String {
    steps::unseal(&server.address, server.kind.as_deref())
}

#[cfg(test)]
mod tests;
