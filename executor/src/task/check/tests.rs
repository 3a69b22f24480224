use super::*;
use crate::clock::Moment;
use crate::testing::{Bao, OTHER_KEYS, SNAPSHOT, Store, args, task};
use api::task::{Login, Outcome, TaskKind};
use serde_json::{Value, json};

/// A store with the snapshot, three servers, and both credentials.
struct Lab {
    store: Store,
    bao: Bao,
    task: Task,
}

impl Lab {
    async fn new() -> Self {
        let (store, bao) = (Store::start().await, Bao::start(3).await);
        store.put("a.snap", SNAPSHOT);
        for folder in ["token", "jwt"] {
            std::fs::create_dir(store.mounts().join(folder)).unwrap();
            std::fs::write(store.mounts().join(folder).join("token"), "s.t\n").unwrap();
        }
        let mut task = task(TaskKind::Check);
        task.target = store.target.clone();
        task.cluster = bao.servers();
        Self { store, bao, task }
    }

    async fn report(&self) -> Report {
        let args = args(&self.store.mounts(), "");
        let clock = ServerClock { said: "2026-03-20T03:00:00Z".parse().unwrap(), since: Moment::now() };
        look(&self.task, &args, &Progress::default(), clock).await.unchanged()
    }

    fn manifest(&self, change: impl FnOnce(&mut Value)) {
        let mut verifier = archive::Verifier::new();
        verifier.push(SNAPSHOT).unwrap();
        let summary = verifier.finish().unwrap();
        let mut manifest = json!({
            "v": 1, "size": summary.object_size, "sha256": summary.sha256, "index": summary.index,
            "term": summary.term, "newestVersion": "2.7.2", "sealType": "shamir",
            "barrierKeysSha256": summary.barrier_keys_sha256, "clusterId": "ours",
        });
        change(&mut manifest);
        self.store.put("a.snap.json", manifest.to_string().as_bytes());
    }
}

/// Whether a stage holds, and its reason.
fn stage(report: &Report, stage: ConditionType) -> Option<(Option<bool>, Reason)> {
    report.stages.iter().find(|found| found.stage == stage).map(|found| (found.holds, found.reason))
}

fn reasons(report: &Report) -> Vec<Reason> {
    report.problems.iter().map(|problem| problem.reason).collect()
}

const VERIFIED: Option<(Option<bool>, Reason)> = Some((Some(true), Reason::Verified));

#[tokio::test]
async fn all_well_is_told_stage_by_stage() {
    let lab = Lab::new().await;
    let report = lab.report().await;
    assert_eq!((report.outcome, reasons(&report)), (Outcome::Done, vec![]));
    for kind in [
        ConditionType::SnapshotVerified,
        ConditionType::SealCompatible,
        ConditionType::Authenticated,
        ConditionType::ClusterResolved,
    ] {
        assert_eq!(stage(&report, kind), VERIFIED, "{kind:?}");
    }
    assert_eq!(stage(&report, ConditionType::SameCluster), None, "nobody knows");
    assert!(report.stages[0].message.ends_with("It has no manifest."), "{:?}", report.stages);
    assert!(report.next_steps.is_empty(), "{:?}", report.next_steps);
}

/// Bug: one problem hides the others, so that a request is mended and refused one by one.
#[tokio::test]
async fn all_problems_come_at_once_each_with_a_command() {
    let lab = Lab::new().await;
    lab.manifest(|manifest| manifest["index"] = json!(7));
    lab.bao.server(0, |leader| {
        leader.dry_run = OTHER_KEYS;
        leader.version = "2.6.1";
    });
    let report = lab.report().await;
    let found = [Reason::ManifestMismatch, Reason::ServerOlder, Reason::SealMismatch];
    assert_eq!((report.outcome, &reasons(&report)[..]), (Outcome::Refused, &found[..]));
    assert_eq!(stage(&report, ConditionType::SnapshotVerified), Some((Some(false), found[0])));
    assert_eq!(stage(&report, ConditionType::ClusterResolved), Some((Some(false), found[1])));
    assert_eq!(stage(&report, ConditionType::SealCompatible), Some((Some(false), found[2])));
    assert!(report.problems[0].message.contains("index is 29, not 7"), "{:?}", report.problems);
    assert!(report.next_steps.iter().any(|step| step.starts_with("aws s3 cp s3://snapshots/a.snap.json - ")));

    lab.store.put("a.snap", &SNAPSHOT[..100]);
    lab.bao.server(1, |server| server.sealed = true);
    lab.bao.server(2, |server| server.sealed = true);
    let report = lab.report().await;
    let found = [Reason::SnapshotInvalid, Reason::ServerSealed, Reason::ServerSealed];
    assert_eq!((report.outcome, &reasons(&report)[..]), (Outcome::Refused, &found[..]));
    let unseal = |index: usize| format!("bao operator unseal -address={}", lab.bao.addresses[index]);
    let begins = |(step, command): (&String, String)| step.starts_with(&command);
    assert!(report.next_steps[1..].iter().zip([unseal(1), unseal(2)]).all(begins), "{:?}", report.next_steps);
}

/// Bug: the credentials of another cluster are revoked, and nobody was warned.
#[tokio::test]
async fn the_cluster_of_the_manifest_is_held_against_the_servers() {
    let lab = Lab::new().await;
    let same = async || {
        let report = lab.report().await;
        assert_eq!(report.outcome, Outcome::Done, "{:?}", report.problems);
        (stage(&report, ConditionType::SameCluster), report.next_steps.len())
    };
    lab.manifest(|_| ());
    assert_eq!(same().await, (VERIFIED, 0));
    lab.manifest(|manifest| manifest["clusterId"] = json!("theirs"));
    assert_eq!(same().await, (Some((Some(false), Reason::OtherCluster)), 1));
    lab.manifest(|manifest| manifest["clusterId"] = Value::Null);
    assert_eq!(same().await, (None, 0));
}

#[tokio::test]
async fn what_lies_where_a_manifest_should_and_is_none_is_told() {
    let lab = Lab::new().await;
    for bytes in [vec![], b"no JSON".to_vec(), vec![b' '; 70_000]] {
        lab.store.put("a.snap.json", &bytes);
        assert_eq!(reasons(&lab.report().await), [Reason::ManifestMismatch]);
    }
}

/// Bug: a token that survives the restore is used, so that a second POST is not refused by the server.
#[tokio::test]
async fn only_service_tokens_are_taken() {
    let mut lab = Lab::new().await;
    let field = |report: &Report| report.problems[0].field.clone().unwrap();
    lab.bao.server(0, |leader| leader.token = (200, json!({"type": "batch", "ttl": 60})));
    let report = lab.report().await;
    assert_eq!(
        (reasons(&report), field(&report).as_str()),
        (vec![Reason::BatchToken], "spec.tokenSecretRef")
    );
    lab.bao.server(0, |leader| leader.token = (403, Value::Null));
    assert_eq!(lab.report().await.outcome, Outcome::Done, "it may not ask, and that is no fault");
    lab.task.login = Some(Login::Jwt { mount: "jwt".to_owned(), role: "r".to_owned() });
    assert_eq!(lab.report().await.outcome, Outcome::Done);
    lab.bao.server(0, |leader| leader.login.1["token_type"] = json!("batch"));
    let report = lab.report().await;
    assert_eq!((reasons(&report), field(&report).as_str()), (vec![Reason::BatchToken], "spec.jwtAuthRole"));
}

/// Bug: an answer that tells nothing counts as the same keys, or as others; or another kind of seal is overlooked.
#[tokio::test]
async fn a_dry_run_without_a_verdict_is_told_as_such() {
    let lab = Lab::new().await;
    lab.bao.server(0, |leader| leader.dry_run = (503, "busy"));
    let report = lab.report().await;
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(stage(&report, ConditionType::SealCompatible), Some((None, Reason::SealUnknown)));
    lab.bao.server(0, |leader| leader.seal = "static");
    let report = lab.report().await;
    assert_eq!((report.outcome, reasons(&report)), (Outcome::Refused, vec![Reason::SealMismatch]));
}

/// Bug: the handler of a server with a static seal panics on an archive without a sealed list; or `-force` is probed.
#[tokio::test]
async fn the_dry_run_is_sent_once_and_never_by_force() {
    let mut lab = Lab::new().await;
    lab.task.force = true;
    lab.bao.server(0, |leader| leader.dry_run = OTHER_KEYS);
    let report = lab.report().await;
    assert_eq!(stage(&report, ConditionType::SealCompatible), Some((Some(true), Reason::SealMismatch)));
    let posts = lab.bao.server(0, |leader| {
        leader.asked.iter().filter(|path| path.contains("raft/snapshot")).cloned().collect::<Vec<_>>()
    });
    assert_eq!(posts, ["sys/storage/raft/snapshot"]);
}
