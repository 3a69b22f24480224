//! The executor as the process that it is: its signals, its exit codes, what it leaves, and its memory.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod lab;

#[expect(dead_code, reason = "the builder of the archive's tests makes more than is needed here")]
#[path = "../archive/src/testing.rs"]
mod testing;

use api::conditions::{ConditionType, Reason};
use api::names;
use api::task::{Claimed, Outcome, Pinned, Report, TaskKind};
use lab::process::signal;
use lab::{Ended, Executor, Lab, write_snapshot};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// More ranges than are read at once, so that buffers are used again.
const VALUES: usize = 96;
/// (concurrency + 1) x partSize + 16 MiB at the defaults.
const MOST_MEMORY: u64 = 4 * 10_485_760 + (16 << 20);

static SNAPSHOT: OnceLock<(PathBuf, Pinned)> = OnceLock::new();

async fn lab() -> (Lab, Pinned) {
    let (path, pinned) = SNAPSHOT.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("process.snap");
        let pinned = write_snapshot(&path, VALUES);
        (path, pinned)
    });
    (Lab::start(path, true).await, pinned.clone())
}

fn applied(report: &Report) -> Option<bool> {
    let found = report.stages.iter().find(|found| found.stage == ConditionType::Applied);
    found.and_then(|found| found.holds)
}

/// The Report in the termination log and on the ticket are one.
fn is_on_ticket(lab: &Lab, ended: &Ended) {
    let text = lab.kubernetes.annotation(names::REPORT).to_string();
    assert_eq!(Report::parse(&text).unwrap(), ended.report);
}

/// Bug: memory grows with the snapshot, or buffers are kept twice by the allocator; exit code, termination log and ticket
/// say different things.
#[tokio::test(flavor = "multi_thread")]
async fn check_restore_and_proof_in_little_memory() {
    let (lab, pinned) = lab().await;
    let check = lab.run(&lab.task(TaskKind::Check)).end().await;
    assert_eq!((check.code, check.report.outcome), (Some(0), Outcome::Done), "{:?}", check.report);
    assert_eq!(check.report.pinned.as_ref(), Some(&pinned));
    is_on_ticket(&lab, &check);
    assert!(check.peak <= MOST_MEMORY, "{} bytes for a check", check.peak);
    assert!(lab.bao.posts().is_empty());

    lab.kubernetes.renew();
    let restore = lab.run(&lab.restore(pinned.clone())).end().await;
    assert_eq!((restore.code, applied(&restore.report)), (Some(0), Some(true)), "{:?}", restore.report);
    is_on_ticket(&lab, &restore);
    assert_eq!(lab.bao.posts().iter().map(|post| post.bytes).collect::<Vec<_>>(), [pinned.size]);
    assert!(restore.peak <= MOST_MEMORY, "{} bytes for a restore", restore.peak);
    assert!(lab.bao.markers().is_empty(), "{:?}", lab.bao.markers());

    let claimed: Claimed = serde_json::from_value(lab.kubernetes.annotation(names::CLAIM)).unwrap();
    lab.kubernetes.renew();
    lab.bao.put_back_marker();
    let proof = lab.run(&lab.prove(claimed.claim)).end().await;
    assert_eq!((proof.code, applied(&proof.report)), (Some(0), Some(true)), "{:?}", proof.report);
    is_on_ticket(&lab, &proof);
}

/// Waits until the ticket shows that the executor is at work.
async fn at_work(lab: &Lab) {
    let begun = std::time::Instant::now();
    while lab.kubernetes.lease()["spec"]["renewTime"].is_null() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not beat");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Bug: a pod that is told to end before its claim restores all the same, or dies without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_termination_before_the_claim_cancels() {
    let (lab, pinned) = lab().await;
    lab.store.stall();
    let executor = lab.run(&lab.restore(pinned));
    at_work(&lab).await;
    signal(executor.id(), "TERM");
    let ended = executor.end().await;
    assert_eq!((ended.code, ended.report.problems[0].reason), (Some(2), Reason::Cancelled));
    is_on_ticket(&lab, &ended);
    assert!(lab.bao.posts().is_empty());
    assert!(lab.kubernetes.lease()["spec"]["holderIdentity"].is_null());
}

/// Bug: a check, which is the first process of its container, hears no SIGTERM, and its pod is killed only after the grace
/// of a restore.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_ends_when_it_is_told_to() {
    let (lab, _) = lab().await;
    lab.store.stall();
    let executor = lab.run(&lab.task(TaskKind::Check));
    at_work(&lab).await;
    signal(executor.id(), "TERM");
    let ended = executor.end().await;
    assert_eq!((ended.code, ended.report.problems[0].reason), (Some(2), Reason::Cancelled));
}

/// The outcome of a restore to which this is done once its claim is written, before it hears of it.
async fn claimed(act: fn(u32) -> Duration) -> (Lab, Ended) {
    let (lab, pinned) = lab().await;
    let process = std::sync::Arc::new(OnceLock::new());
    let known = std::sync::Arc::clone(&process);
    lab.kubernetes.on_claim(move || act(*known.wait()));
    let executor: Executor = lab.run(&lab.restore(pinned));
    process.set(executor.id()).unwrap();
    let ended = executor.end().await;
    (lab, ended)
}

/// Bug: a pod that is told to end in the middle of a POST leaves an outcome that nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_termination_after_the_claim_changes_nothing() {
    let (lab, ended) = claimed(|process| {
        signal(process, "TERM");
        Duration::ZERO
    })
    .await;
    assert_eq!((ended.code, applied(&ended.report)), (Some(0), Some(true)), "{:?}", ended.report);
    is_on_ticket(&lab, &ended);
    assert_eq!(lab.bao.posts().len(), 1);
}

/// Bug: a pod that was frozen between its claim and its POST sends what the operator has given up long ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_frozen_after_its_claim_sends_nothing() {
    let (lab, ended) = claimed(|process| {
        signal(process, "STOP");
        std::thread::spawn(move || {
            // Longer than the 10 s between claim and first byte.
            std::thread::sleep(Duration::from_secs(11));
            signal(process, "CONT");
        });
        Duration::from_secs(1)
    })
    .await;
    assert_eq!((ended.code, applied(&ended.report)), (Some(2), Some(false)), "{:?}", ended.report);
    is_on_ticket(&lab, &ended);
    assert!(lab.bao.posts().is_empty());
}
