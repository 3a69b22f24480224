use super::*;
use crate::testing::task;
use api::task::{Identity, TaskKind};
use std::time::Duration;

const ADDRESSES: [&str; 3] =
    ["https://c-0.c.n.svc:8200", "https://c-1.c.n.svc:8200", "https://c-2.c.n.svc:8200"];

const APPLIED: Verdict = Verdict::Applied(Applied::Marker);
const NOT_APPLIED: Verdict = Verdict::NotApplied(NotApplied::MarkerStays);
const UNKNOWN: Verdict = Verdict::Unknown(Doubt::NoAnswer);

/// What the leader said when the verdict was found.
fn look(verdict: Verdict, leader: &str) -> Look {
    let is_applied = matches!(verdict, Verdict::Applied(_));
    let identity = Identity {
        cluster_id: "the-cluster".to_owned(),
        active_time: "2026-03-20T03:00:05Z".to_owned(),
        raft_index: 458,
    };
    Look {
        leader: leader.to_owned(),
        identity,
        request: if is_applied { Lookup::Absent } else { Lookup::Present },
        snapshot: Some(if is_applied { Lookup::Present } else { Lookup::Absent }),
        took: Duration::ZERO,
        at: Duration::ZERO,
        nothing_on_its_way: true,
        acknowledged: None,
    }
}

/// A restore on the first of these servers, of which some were sealed when the verdict was found.
fn report(verdict: Verdict, servers: usize, sealed: &[usize], cut: Option<&str>) -> Report {
    let sealed = sealed
        .iter()
        .map(|index| Sealed { address: ADDRESSES[*index].to_owned(), kind: Some("shamir".to_owned()) })
        .collect();
    let leader = ADDRESSES[usize::from(verdict == APPLIED && servers > 1)];
    let look = (verdict != UNKNOWN).then(|| look(verdict, leader));
    let asked = Some("2026-03-20T03:00:07Z".parse().unwrap());
    let proof =
        Proof { verdict, look, asked, sealed, hung: false, is_silent: false, looked: Duration::from_mins(1) };
    concluded(proof, servers, cut)
}

fn concluded(proof: Proof, servers: usize, cut: Option<&str>) -> Report {
    let mut task = task(TaskKind::Restore);
    task.cluster.addresses = ADDRESSES[..servers].iter().map(|address| (*address).to_owned()).collect();
    let cut = cut.map(str::to_owned);
    let mut findings = Findings::default();
    findings.next_steps.push("keys of the snapshot".to_owned());
    conclude(findings, &Done { task: &task, post: "the post".to_owned(), proof, leader: ADDRESSES[0], cut })
}

fn stage(report: &Report, stage: ConditionType) -> Option<(Option<bool>, Reason)> {
    report.stages.iter().find(|found| found.stage == stage).map(|found| (found.holds, found.reason))
}

/// Bug: a server is restarted or unsealed that would bring data back which the cluster does not have, or the leader of
/// now before its standbys.
#[test]
fn what_was_applied_leaves_standbys_to_restart_and_sealed_servers_to_unseal() {
    let done = report(APPLIED, 3, &[0], None);
    assert_eq!(done.outcome, Outcome::Done);
    assert_eq!(stage(&done, ConditionType::Applied), Some((Some(true), Reason::Proved)));
    let stale = Some((Some(false), Reason::StandbysStale));
    assert_eq!(stage(&done, ConditionType::StandbysRefreshed), stale);
    let begins = [
        "keys of the snapshot",
        "bao operator unseal -address=https://c-0.",
        "kubectl --namespace=n delete pod c-0 ",
        "kubectl --namespace=n delete pod c-2 ",
        "kubectl --namespace=n delete pod c-1   # leader, last",
    ];
    for (step, begin) in done.next_steps.iter().zip(begins) {
        assert!(step.starts_with(begin), "{step}");
    }
    assert_eq!(done.next_steps.len(), begins.len());

    let alone = report(APPLIED, 1, &[], None);
    assert_eq!(stage(&alone, ConditionType::StandbysRefreshed), Some((Some(true), Reason::Proved)));
    assert_eq!(alone.next_steps.len(), 1);
}

/// Bug: an old leader that took the snapshot alone is unsealed, and serves data that no other server has.
#[test]
fn the_old_leader_stays_sealed_unless_all_are() {
    let forbids = |report: &Report| {
        report.next_steps.iter().any(|step| step.starts_with("# Do not unseal https://c-0."))
    };
    let unseals = |report: &Report, server: &str| {
        let begin = format!("bao operator unseal -address=https://{server}.");
        report.next_steps.iter().any(|step| step.starts_with(&begin))
    };
    let failed = report(NOT_APPLIED, 3, &[0, 1], None);
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(stage(&failed, ConditionType::Applied), Some((Some(false), Reason::NotApplied)));
    assert!(forbids(&failed) && !unseals(&failed, "c-0") && unseals(&failed, "c-1"));
    assert!(failed.next_steps.contains(&"bao operator raft remove-peer c-0".to_owned()));
    assert!(!failed.next_steps[0].contains("keys"), "{:?}", failed.next_steps);

    let unknown = report(UNKNOWN, 3, &[0], None);
    assert_eq!(unknown.outcome, Outcome::Unknown);
    assert_eq!(stage(&unknown, ConditionType::Applied), Some((None, Reason::OutcomeUnknown)));
    assert!(forbids(&unknown) && !unseals(&unknown, "c-0"));
    assert!(unknown.next_steps.contains(&format!("bao status -address={}", ADDRESSES[2])));
    let all = report(UNKNOWN, 3, &[0, 1, 2], None);
    assert!(!forbids(&all) && unseals(&all, "c-0") && unseals(&all, "c-2"));
}

/// Bug: the server that has got the snapshot comes back after the verdict, and is unsealed with data that no other server
/// has; or one that refused it is wiped.
#[test]
fn a_silent_server_that_got_the_snapshot_is_not_to_be_unsealed() {
    let proof = |verdict, sealed, is_silent| Proof {
        verdict,
        look: Some(look(verdict, ADDRESSES[1])),
        asked: None,
        sealed,
        hung: false,
        is_silent,
        looked: Duration::from_mins(1),
    };
    let steps = concluded(proof(NOT_APPLIED, Vec::new(), true), 3, None).next_steps;
    let forbids = "# Do not unseal https://c-0.";
    assert!(steps.iter().any(|step| step.starts_with(forbids) && step.contains("comes back")), "{steps:?}");
    assert!(steps.contains(&"bao operator raft remove-peer c-0".to_owned()), "{steps:?}");
    let sealed = Sealed { address: ADDRESSES[0].to_owned(), kind: None };
    let refused = Verdict::NotApplied(NotApplied::Refused);
    let steps = concluded(proof(refused, vec![sealed], true), 3, None).next_steps;
    assert!(!steps.iter().any(|step| step.starts_with(forbids)), "{steps:?}");
}

/// Bug: the user is told of an i/o timeout, and not which setting of which program makes it.
#[test]
fn a_listener_that_cut_the_post_is_told_with_its_setting() {
    let cut = report(NOT_APPLIED, 1, &[], Some("15m"));
    assert_eq!(cut.problems[0].reason, Reason::ReadTimeout);
    assert!(cut.problems[0].message.contains("http_read_timeout = \"15m\""));
    assert!(cut.next_steps.iter().any(|step| step.starts_with("http_read_timeout = \"15m\"")));
}

#[test]
fn a_tail_that_was_never_sent_is_not_applied() {
    let report = tail_kept(&task(TaskKind::Restore), Findings::default(), "no connection");
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(stage(&report, ConditionType::Applied), Some((Some(false), Reason::NotApplied)));
}

/// Bug: a verdict is told without what it rests on, so that nobody can check it.
#[test]
fn each_verdict_names_its_evidence_and_its_cause() {
    for (verdict, markers) in [
        (APPLIED, "the request's marker is not there, the snapshot's marker is there."),
        (NOT_APPLIED, "the request's marker is there, the snapshot's marker is not there."),
        (
            Verdict::Unknown(Doubt::Replaced),
            "the request's marker is there, the snapshot's marker is not there.",
        ),
    ] {
        let report = report(verdict, 1, &[], None);
        let applied = report.stages.iter().find(|found| found.stage == ConditionType::Applied).unwrap();
        for part in [markers, ADDRESSES[0], "the-cluster", "raft index 458", "2026-03-20T03:00:07Z"] {
            assert!(applied.message.contains(part), "{verdict:?} {part}: {}", applied.message);
        }
        let told = report.told();
        assert!(verdict == APPLIED || told.contains("the post"), "{told}");
        assert!(!told.contains("as they were"), "nobody looked at the data: {told}");
    }
}

/// Bug: a server that will never answer again is waited for, and nobody is told to restart it.
#[test]
fn a_hung_server_is_to_be_restarted() {
    let proof = Proof {
        verdict: UNKNOWN,
        look: None,
        asked: None,
        sealed: Vec::new(),
        hung: true,
        is_silent: true,
        looked: Duration::from_mins(5),
    };
    let report = concluded(proof, 3, None);
    assert_eq!(report.outcome, Outcome::Unknown);
    assert!(report.told().contains("answers nothing any more"), "{}", report.told());
    let restart = "kubectl --namespace=n delete pod c-0";
    assert!(report.next_steps.iter().any(|step| step.starts_with(restart)), "{:?}", report.next_steps);
}

/// Bug: a cluster of three behind fewer addresses is said to have no standbys.
#[test]
fn standbys_that_no_address_names_are_standbys() {
    let mut task = task(TaskKind::Restore);
    task.cluster.addresses = vec![ADDRESSES[0].to_owned()];
    task.cluster.replicas = 3;
    let proof = Proof {
        verdict: APPLIED,
        look: Some(look(APPLIED, ADDRESSES[0])),
        asked: None,
        sealed: Vec::new(),
        hung: false,
        is_silent: false,
        looked: Duration::ZERO,
    };
    let post = String::new();
    let done = Done { task: &task, post, proof, leader: ADDRESSES[0], cut: None };
    let report = conclude(Findings::default(), &done);
    assert_eq!(stage(&report, ConditionType::StandbysRefreshed).unwrap().0, Some(false));
}
