//! Finds out whether an earlier restore was applied, when the pod that did it is gone. It needs no credential.

use super::conclude::{Done, conclude};
use super::work;
use crate::args::Args;
use crate::openbao::Cluster;
use crate::progress::Progress;
use crate::prove::{Claim, End, prove};
use crate::report::{self, Findings};
use api::conditions::Reason;
use api::task::{Outcome, Proof, Report, Task};
use jiff::Timestamp;
use plan::proof::Post;
use std::time::Duration;

/// How long one Job asks; the operator makes the next one.
const LONGEST: Duration = Duration::from_mins(1);

/// Proves.
pub(super) async fn task(task: &Task, args: &Args) -> Report {
    let progress = Progress::default();
    work(task, args, &progress, find_out(task, args)).await
}

async fn find_out(task: &Task, args: &Args) -> Report {
    let Some(Proof { marker, nothing_on_its_way }) = &task.proof else {
        return unknown("The Task does not say what is to be proved.".to_owned());
    };
    let cluster = match Cluster::open(&task.cluster, &args.mounts.join("openbao-ca")) {
        Ok(cluster) => cluster,
        Err(error) => return unknown(error.to_string()),
    };
    let Ok(active_before) = marker.active_time.parse::<Timestamp>() else {
        return unknown(format!("The ticket has {:?} as the time of the leader.", marker.active_time));
    };
    let claim = Claim {
        token: &marker.token,
        expires: marker.expires.0,
        active_before,
        claimed: marker.claimed_at.0,
        post: Post::Unclear,
        end: End::Said(*nothing_on_its_way),
    };
    let proof = prove(&cluster, &claim, LONGEST).await;
    let post = "the pod that sent it left no report".to_owned();
    conclude(Findings::default(), &Done { task, post, proof, leader: &marker.leader, cut: None })
}

fn unknown(what: String) -> Report {
    let message = format!("{what} Whether the snapshot was applied is still not known.");
    report::ended(Outcome::Unknown, Reason::OutcomeUnknown, message)
}
