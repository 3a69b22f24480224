//! The Report of a restore that was claimed, whoever finds out about it.

use crate::prove::{Proof, Sealed};
use crate::report::{Fault, Findings};
use crate::steps;
use api::conditions::{ConditionType, Reason};
use api::task::{Outcome, Report, Task};
use plan::proof::Verdict;
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

/// Why a claimed restore is not done.
#[derive(Debug, Error)]
enum Undone {
    #[error("Nothing was sent: {0}. The cluster's data are as they were. Create a new request.")]
    NothingSent(String),
    #[error(
        "The snapshot was not applied: {0}. The leader has proved that the cluster's data are as they were."
    )]
    NotApplied(String),
    #[error(
        "The snapshot was not applied: {0}. The leader has proved that the cluster's data are as they were. Its listener cut the upload: set http_read_timeout = \"{1}\" in the listener of every server and restart them, then create a new request."
    )]
    Cut(String, String),
    #[error("Whether the snapshot was applied is not known: {0}, and no leader gave proof within {1} s.")]
    Unknown(String, u64),
}

impl Fault for Undone {
    fn reason(&self) -> Reason {
        match self {
            Self::NothingSent(_) | Self::NotApplied(_) => Reason::NotApplied,
            Self::Cut(..) => Reason::ReadTimeout,
            Self::Unknown(..) => Reason::OutcomeUnknown,
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
            Self::NothingSent(_) | Self::NotApplied(_) => steps::new_request(task, None),
            Self::Cut(_, setting) => steps::read_timeout(setting),
            Self::Unknown(..) => steps::status(task.cluster.addresses.first().map_or("", String::as_str)),
        }
    }
}

/// Not a byte of the snapshot left this pod.
pub(super) fn nothing_sent(task: &Task, mut findings: Findings, fault: &str) -> Report {
    findings.next_steps.clear();
    let undone = Undone::NothingSent(fault.to_owned());
    findings.join(Findings::of(task, ConditionType::Applied, &undone));
    findings.ended(Outcome::Failed)
}

/// By the verdict of the proof, and by nothing else.
pub(super) fn conclude(findings: Findings, done: &Done<'_>) -> Report {
    match done.proof.verdict {
        Verdict::Applied => applied(findings, done),
        Verdict::NotApplied => not_applied(findings, done),
        Verdict::Unknown => unknown(findings, done),
    }
}

fn applied(mut findings: Findings, done: &Done<'_>) -> Report {
    let message = "The leader has lost the marker and is active anew: the snapshot is the cluster's data.";
    findings.stage(ConditionType::Applied, Some(true), Reason::Proved, message.to_owned());
    let (addresses, proof) = (&done.task.cluster.addresses, &done.proof);
    let (holds, reason, message) = if addresses.len() > 1 {
        let message = "Standbys serve policies and mounts of before until they are restarted.";
        (false, Reason::StandbysStale, message)
    } else {
        (true, Reason::Proved, "There are no standbys that could serve policies and mounts of before.")
    };
    findings.stage(ConditionType::StandbysRefreshed, Some(holds), reason, message.to_owned());
    findings.next_steps.extend(proof.sealed.iter().map(unseal));
    let leader = proof.leader.as_deref().unwrap_or(done.leader);
    findings.next_steps.extend(steps::restart(addresses, leader));
    findings.ended(Outcome::Done)
}

fn not_applied(mut findings: Findings, done: &Done<'_>) -> Report {
    findings.next_steps.clear();
    let undone = match &done.cut {
        Some(setting) => Undone::Cut(done.post.clone(), setting.clone()),
        None => Undone::NotApplied(done.post.clone()),
    };
    for server in &done.proof.sealed {
        if server.address == done.leader {
            findings.next_steps.extend(steps::diverged(&server.address));
        } else {
            findings.next_steps.push(unseal(server));
        }
    }
    findings.join(Findings::of(done.task, ConditionType::Applied, &undone));
    findings.ended(Outcome::Failed)
}

fn unknown(mut findings: Findings, done: &Done<'_>) -> Report {
    let (addresses, sealed) = (&done.task.cluster.addresses, &done.proof.sealed);
    let mut what = done.post.clone();
    if !sealed.is_empty() {
        let names: Vec<&str> = sealed.iter().map(|server| server.address.as_str()).collect();
        what = format!("{what}, these servers are sealed: {}", names.join(", "));
    }
    let undone = Undone::Unknown(what, done.proof.looked.as_secs());
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

fn unseal(server: &Sealed) -> String {
    steps::unseal(&server.address, server.kind.as_deref())
}

#[cfg(test)]
mod tests;
