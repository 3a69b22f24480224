//! Finds out whether an earlier restore was applied, when the pod that did it is gone. It needs no credential.

use super::conclude::{Done, conclude};
use super::work;
use crate::args::Args;
use crate::dial::Guard;
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
    work(task, args, &progress, find_out(task, args, LONGEST)).await
}

async fn find_out(task: &Task, args: &Args, longest: Duration) -> Report {
    let Some(Proof { marker, nothing_on_its_way }) = &task.proof else {
        return unknown("The Task does not say what is to be proved.");
    };
    let cluster = match Cluster::open(&task.cluster, &args.mounts.join("openbao-ca"), &Guard::of(args)) {
        Ok(cluster) => cluster,
        Err(error) => return unknown(&error.to_string()),
    };
    let Ok(active_before) = marker.active_time.parse::<Timestamp>() else {
        return unknown(&format!("The ticket has {:?} as the time of the leader.", marker.active_time));
    };
    let claim = Claim {
        token: &marker.token,
        expires: marker.expires.0,
        active_before,
        claimed: marker.claimed_at.0,
        post: Post::Unclear,
        end: End::Said(*nothing_on_its_way),
    };
    let proof = prove(&cluster, &claim, longest).await;
    let post = "the pod that sent it left no report".to_owned();
    conclude(Findings::default(), &Done { task, post, proof, leader: &marker.leader, cut: None })
}

fn unknown(what: &str) -> Report {
    let message = format!("{what} Whether the snapshot was applied is still not known.");
    report::ended(Outcome::Unknown, Reason::OutcomeUnknown, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bao, args, task};
    use api::conditions::ConditionType;
    use api::task::{Marker, TaskKind};
    use jiff::SignedDuration;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use std::path::Path;

    /// The report about a restore of 6 s ago, by the leader's clock.
    async fn found(bao: &Bao, proof: Option<bool>) -> Report {
        let marker = bao.server(0, |leader| Marker {
            token: "s.m".to_owned(),
            expires: Time(leader.now + SignedDuration::from_hours(168)),
            leader: bao.addresses[0].clone(),
            active_time: (leader.now - SignedDuration::from_hours(1)).to_string(),
            claimed_at: Time(leader.now - SignedDuration::from_secs(6)),
            not_applied_after: Time(Timestamp::MAX),
        });
        let mut task = task(TaskKind::Prove);
        task.login = None;
        task.cluster = bao.servers();
        task.proof = proof.map(|nothing_on_its_way| Proof { marker, nothing_on_its_way });
        find_out(&task, &args(Path::new("/nowhere"), ""), Duration::ZERO).await
    }

    fn applied(report: &Report) -> Option<bool> {
        report.stages.iter().find(|one| one.stage == ConditionType::Applied).and_then(|one| one.holds)
    }

    /// Bug: a Job without credentials says what the operator does not understand, or takes silence for an answer.
    #[tokio::test]
    async fn each_verdict_has_its_report() {
        let bao = Bao::start(1).await;
        let report = found(&bao, Some(false)).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Unknown, None));
        let report = found(&bao, Some(true)).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Failed, Some(false)));
        bao.server(0, |leader| (leader.marker, leader.active) = (400, leader.now));
        let report = found(&bao, Some(false)).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Done, Some(true)));
        bao.server(0, |leader| leader.sealed = true);
        let report = found(&bao, Some(true)).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Unknown, None));
        let report = found(&bao, None).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Unknown, None));
    }
}
