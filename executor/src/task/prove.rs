//! Finds out whether an earlier restore was applied, when the pod that did it is gone. It needs no credential.

use super::conclude::{Done, conclude};
use super::{consume, work};
use crate::args::Args;
use crate::dial::Guard;
use crate::openbao::Cluster;
use crate::progress::Progress;
use crate::prove::{Case, prove};
use crate::report::{self, Findings};
use api::conditions::Reason;
use api::task::{Outcome, Proof, Report, Task};
use plan::proof::Post;
use std::time::Duration;

/// How long one Job asks: "not applied" takes two looks, 30 s apart. The operator makes the next one.
const LONGEST: Duration = Duration::from_mins(1);

/// Proves.
pub(super) async fn task(task: &Task, args: &Args) -> Report {
    let progress = Progress::default();
    let ended = work(task, args, &progress, |_| find_out(task, args, LONGEST)).await;
    let origin = task.proof.as_ref().and_then(|proof| proof.claim.origin.as_ref());
    consume::afterwards(task, args, origin, &ended).await;
    ended.report
}

async fn find_out(task: &Task, args: &Args, longest: Duration) -> Report {
    let Some(Proof { claim, answer, nothing_on_its_way }) = &task.proof else {
        return unknown("The Task does not say what is to be proved.");
    };
    let cluster = match Cluster::open(&task.cluster, &args.mounts.join("openbao-ca"), &Guard::of(args)) {
        Ok(cluster) => cluster,
        Err(error) => return unknown(&error.to_string()),
    };
    let case = Case {
        claim,
        post: Post::TailSent(answer.as_ref().map(|answered| answered.answer)),
        size: 0,
        nothing_on_its_way: *nothing_on_its_way,
        acknowledged: None,
        force: task.force,
    };
    let proof = prove(&cluster, &case, None, longest).await;
    let unheard = || "the pod that sent it wrote nothing of an answer on its ticket".to_owned();
    let post = answer.as_ref().map_or_else(unheard, |answered| answered.said.clone());
    conclude(Findings::default(), &Done { task, post, proof, leader: &claim.leader, cut: None })
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
    use api::task::TaskKind;
    use std::path::Path;

    /// Long enough for a second look.
    const LONGEST: Duration = Duration::from_secs(40);

    /// The report about a restore whose pod is gone.
    async fn found(bao: &Bao, proof: Option<bool>, longest: Duration) -> Report {
        let mut task = task(TaskKind::Prove);
        task.login = None;
        task.cluster = bao.servers();
        task.proof = proof.map(|nothing_on_its_way| Proof {
            claim: bao.claim(Some("ours")),
            answer: None,
            nothing_on_its_way,
        });
        find_out(&task, &args(Path::new("/nowhere"), ""), longest).await
    }

    fn applied(report: &Report) -> Option<bool> {
        report.stages.iter().find(|one| one.stage == ConditionType::Applied).and_then(|one| one.holds)
    }

    /// Bug: a Job without credentials says what the operator does not understand, or takes silence for an answer.
    #[tokio::test]
    async fn each_verdict_has_its_report() {
        let bao = Bao::start(1).await;
        let report = found(&bao, Some(false), Duration::ZERO).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Unknown, None));
        let report = found(&bao, Some(true), LONGEST).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Failed, Some(false)));
        let report = found(&bao, None, LONGEST).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Unknown, None));
        bao.restore(0, true);
        let report = found(&bao, Some(false), LONGEST).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Done, Some(true)));
        bao.server(0, |leader| leader.sealed = true);
        let report = found(&bao, Some(true), Duration::ZERO).await;
        assert_eq!((report.outcome, applied(&report)), (Outcome::Unknown, None));
    }
}
