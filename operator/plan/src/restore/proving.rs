//! Nobody knows whether the snapshot was applied: the cluster is asked, by Jobs without any credential, until it has
//! proved it or a human settles it. The lock stays.

use super::draft::Draft;
use super::{
    Observed, Outcome, Run, Rung, Stage, Step, Waiting, is_unstarted, missing, proof_number, running,
};
use crate::proof::settled_after;
use api::conditions::{ConditionType, Reason};
use api::names;
use api::task::{self, Answer, Claim};
use jiff::{SignedDuration, Timestamp};

/// Pause after the first proof without a verdict; each is twice as long as the one before.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(15);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// Characters of what a pod said that a proof is told: its Task must stay short.
const SAID: usize = 200;

/// A leader that has acknowledged a snapshot hangs for minutes while it installs a large one.
const HANGS: SignedDuration = SignedDuration::from_mins(10);
/// A pod that lives has told by then that it found no proof.
const HEARD_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// What is told meanwhile.
pub(super) const PROVING: &str = "The leader has acknowledged the snapshot; the cluster has yet to prove that its data are those of the snapshot.";

/// When the pod has read the acknowledgement of the leader, if it has.
pub(super) fn acknowledged(seen: &Observed) -> Option<Timestamp> {
    let answered = seen.restore.ticket.as_ref()?.answer.as_ref()?;
    (answered.answer == Answer::Acknowledged).then_some(answered.at.0)
}

/// A recorded ticket that is missing counts as claimed, and its marker as lost: only a human can tell.
pub(super) fn unclaimed_nobody_knows(seen: &Observed, draft: &mut Draft) -> Rung {
    if seen.restore.is_at_work() || seen.restore.pods.left {
        return Rung::Wait(
            Waiting::Restore,
            "The restore Job is at work, and its ticket is gone.".to_owned(),
        );
    }
    prove(seen, draft, "The ticket of the restore is gone, so nobody can tell whether its Job acted.")
}

/// Asks the cluster; `what` says why that is necessary.
pub(super) fn prove(seen: &Observed, draft: &mut Draft, what: &str) -> Rung {
    if let Some(rung) = settled(seen, draft) {
        return rung;
    }
    if seen.namespace_terminating {
        return end_of_namespace(seen, draft);
    }
    let found = found(seen, draft).unwrap_or_else(|| what.to_owned());
    let rung = ask(seen, draft, &found);
    match &rung {
        Rung::Act(_) if !may_hang(seen, draft.now()) => {
            draft.doubt(&found);
            draft.stay_in_doubt(&told(seen, &found));
        }
        Rung::Wait(waiting, _) if waiting.is_doubt() => draft.doubt(&found),
        _ => {}
    }
    rung
}

/// What the newest proof found that could not tell; while another one is at work, what the one before it did.
fn found(seen: &Observed, draft: &Draft) -> Option<String> {
    let report = seen.proof.report();
    if let Some(report) = report.filter(|report| report.outcome == task::Outcome::Unknown) {
        return Some(report.told());
    }
    let is_asked_again = proof_number(&seen.request).is_some_and(|n| n > 1);
    draft.doubted().filter(|_| report.is_none() && is_asked_again)
}

/// Whether it is too late for a pod, that reads the acknowledgement, to have found no proof and said nothing.
pub(super) fn is_proved_too_late(seen: &Observed, now: Timestamp) -> bool {
    acknowledged(seen).is_some_and(|at| now.duration_since(at) > HANGS + HEARD_WITHIN)
}

fn ask(seen: &Observed, draft: &mut Draft, what: &str) -> Rung {
    if seen.cluster.is_some() && seen.recorded() != Some(Outcome::Unknown.as_str()) {
        return Rung::Act(Step::Record(Outcome::Unknown));
    }
    draft.status.next_steps = next_steps(seen);
    let claim = running::recorded_ticket(seen, draft).and_then(|ticket| ticket.claim.as_ref());
    let can_be_proved = claim.is_some_and(|claimed| says_something(&claimed.claim, draft.now()));
    if !can_be_proved || seen.cluster.is_none() || seen.proof.is_foreign(seen.uid()) {
        return mute(what);
    }
    let n = proof_number(&seen.request);
    match n.map(|n| (n, judged(&seen.proof, n, draft))) {
        None => begin(seen, draft, 1),
        Some((n, Judged::Over(since))) if is_due(seen, n, since, draft.now()) => {
            begin(seen, draft, n.saturating_add(1))
        }
        Some((_, Judged::Over(_))) => unknown(seen, Waiting::Outcome, what, draft.now()),
        Some((n, Judged::Begun)) => missing(&seen.proof, Stage::Prove(n))
            .map_or_else(|| unknown(seen, Waiting::Proof, what, draft.now()), Rung::Act),
        Some((_, Judged::Known(rung))) => rung,
    }
}

/// Whether a marker is left that a proof could find: each goes by itself in the end.
fn says_something(claim: &Claim, now: Timestamp) -> bool {
    let snapshot = claim.origin.as_ref().map(|origin| origin.marker.expires.0);
    now < claim.expires.0.max(snapshot.unwrap_or(Timestamp::MIN))
}

/// What a proof has come to.
enum Judged {
    Begun,
    /// Without a verdict, at this time.
    Over(Timestamp),
    Known(Rung),
}

fn judged(run: &Run, n: u32, draft: &mut Draft) -> Judged {
    let Some(ticket) = &run.ticket else { return Judged::Begun };
    let since = ticket.created.unwrap_or(draft.now());
    match run.report() {
        Some(report) if report.outcome == task::Outcome::Done => {
            draft.adopt(report);
            draft.complete(Reason::Proved, "The snapshot was applied, and the cluster has proved it.");
            Judged::Known(Rung::Rest)
        }
        Some(report) if proves_not_applied(report) => {
            draft.adopt(report);
            Judged::Known(Rung::Fail(Reason::NotApplied, report.told()))
        }
        Some(_) => Judged::Over(since),
        // One whose node is lost is failing for as long as that node's object stays.
        None if run.job.as_ref().is_some_and(|job| job.finished || job.failing || job.deleting) => {
            Judged::Over(since)
        }
        None if run.job.is_none() && ticket.job.is_some() => Judged::Over(since),
        None if is_unstarted(run, draft.now()) => Judged::Known(Rung::Act(Step::DeleteJob(Stage::Prove(n)))),
        None => Judged::Begun,
    }
}

/// A proof that failed for another reason says nothing about the restore.
fn proves_not_applied(report: &task::Report) -> bool {
    let denies = |finding: &task::StageFinding| {
        finding.stage == ConditionType::Applied && finding.holds == Some(false)
    };
    report.outcome == task::Outcome::Failed && report.stages.iter().any(denies)
}

fn begin(seen: &Observed, draft: &mut Draft, n: u32) -> Rung {
    draft.status.job_name = Some(names::prove_job(seen.name(), n));
    Rung::Act(Step::CreateTicket(Stage::Prove(n)))
}

/// After its pause; or at once when more can be proved than the last one could, which asked `since` then.
fn is_due(seen: &Observed, n: u32, since: Timestamp, now: Timestamp) -> bool {
    let ends = nothing_after(seen);
    now.duration_since(since) >= pause(n) || ends.is_some_and(|ends| since < ends && ends <= now)
}

fn pause(n: u32) -> SignedDuration {
    let doubled = FIRST_PAUSE.checked_mul(1 << n.saturating_sub(1).min(10)).unwrap_or(LONGEST_PAUSE);
    doubled.min(LONGEST_PAUSE)
}

/// What a proof is to find out; none where the restore left no claim.
pub(super) fn question(seen: &Observed, now: Timestamp) -> Option<task::Proof> {
    let ticket = seen.restore.ticket.as_ref()?;
    let claim = ticket.claim.as_ref()?.claim.clone();
    let nothing_on_its_way = nothing_after(seen).is_some_and(|ends| ends <= now);
    let answer = ticket.answer.clone().map(|answered| {
        let said = answered.said.chars().take(SAID).collect();
        task::Answered { said, ..answered }
    });
    Some(task::Proof { claim, answer, nothing_on_its_way })
}

/// From when on nothing of a claimed POST is on its way. Its pod's own word of the end of its connection is by the API server's
/// clock; the end of its container is by the clock of its node, which may be behind.
fn nothing_after(seen: &Observed) -> Option<Timestamp> {
    let ticket = seen.restore.ticket.as_ref()?;
    let terminated = || {
        let ended = seen.restore.pods.claimant_terminated?;
        Some(ticket.acquired.map_or(ended, |acquired| ended.max(acquired)))
    };
    let ended = ticket.answer.as_ref().map(|answered| answered.at.0).or_else(terminated);
    let size = seen.pinned().map_or(0, |pinned| pinned.size);
    let settled = ended.map(|ended| settled_after(ended, size));
    [Some(ticket.claim.as_ref()?.claim.nothing_after.0), settled].into_iter().flatten().min()
}

/// A human's word, once no pod is left, and nothing is on its way, that could make it untrue.
fn settled(seen: &Observed, draft: &mut Draft) -> Option<Rung> {
    let (uid, outcome) = seen.annotation(names::OUTCOME)?.split_once('/')?;
    if uid != seen.uid() || seen.restore.pods.left {
        return None;
    }
    let is_over = question(seen, draft.now()).is_none_or(|asked| asked.nothing_on_its_way);
    match outcome {
        "applied" => {
            draft.status.next_steps.clear();
            draft.complete(Reason::Settled, "The snapshot was applied, as a human has settled it.");
            Some(Rung::Rest)
        }
        "not-applied" if is_over => {
            draft.status.next_steps.clear();
            let message =
                "The snapshot was not applied, as a human has settled it. Create a new OpenBaoRestore.";
            Some(Rung::Fail(Reason::Settled, message.to_owned()))
        }
        _ => None,
    }
}

/// Nothing can be made there any more that could prove anything.
fn end_of_namespace(seen: &Observed, draft: &mut Draft) -> Rung {
    if seen.restore.pods.left {
        return Rung::Wait(Waiting::Pods, "The namespace is being deleted; a pod has not ended.".to_owned());
    }
    let message =
        "The namespace is being deleted. Whether the snapshot was applied before that is not known.";
    draft.doubt(message);
    Rung::Fail(Reason::NamespaceTerminating, message.to_owned())
}

/// After an acknowledgement a hang is what has to be expected for a while.
fn unknown(seen: &Observed, waiting: Waiting, what: &str, now: Timestamp) -> Rung {
    if may_hang(seen, now) {
        return Rung::Wait(Waiting::Proving, format!("{PROVING} {what}"));
    }
    Rung::Wait(waiting, told(seen, what))
}

/// Where its pod has looked for itself and says that it is not known, nothing hangs.
fn may_hang(seen: &Observed, now: Timestamp) -> bool {
    seen.restore.report().is_none() && acknowledged(seen).is_some_and(|at| now.duration_since(at) < HANGS)
}

fn told(seen: &Observed, what: &str) -> String {
    let lock = if seen.lock_is_ours() { "; the lock stays with this request until it is" } else { "" };
    format!(
        "{what} Whether the snapshot was applied is not known{lock}. The cluster is asked again and again; see the next \
         steps to settle it yourself."
    )
}

/// Nobody can be asked, or nobody any more.
fn mute(what: &str) -> Rung {
    let message = format!(
        "{what} Whether the snapshot was applied is not known, and no marker is left that could tell; the lock stays with \
         this request. See the next steps to settle it yourself."
    );
    Rung::Wait(Waiting::Outcome, message)
}

fn next_steps(seen: &Observed) -> Vec<String> {
    let namespace = seen.request.metadata.namespace.as_deref().unwrap_or_default();
    let (name, uid) = (seen.name(), seen.uid());
    let settle = |outcome: &str, when: &str| {
        format!(
            "kubectl -n {namespace} annotate obr/{name} {}={uid}/{outcome}   # once you have seen in the data that {when}",
            names::OUTCOME
        )
    };
    let told = seen.proof.report().or(seen.restore.report());
    let mut steps = told.map(|report| report.next_steps.clone()).unwrap_or_default();
    steps.extend([settle("applied", "it was applied"), settle("not-applied", "it was not")]);
    steps
}
