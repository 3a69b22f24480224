//! Backups by the executor as the process that it is: its memory, its signals, and what it leaves when it is killed.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod lab;

#[expect(dead_code, reason = "the builder of the archive's tests makes more than is needed here")]
#[path = "../archive/src/testing.rs"]
mod testing;

use api::conditions::Reason;
use api::names;
use api::task::{BackupOrder, Outcome, Problem, SnapshotMarker, Upload};
use lab::process::signal;
use lab::{Ended, Lab, write_snapshot};
use serde_json::Value;
use std::time::{Duration, Instant};

/// More parts than are in flight at once, so that buffers are used again.
const VALUES: usize = 96;
/// (concurrency + 1) x partSize at the defaults, and half of the 16 MiB beside: the other half is for the program, which
/// the bench sees as it is delivered.
const MOST_MEMORY: u64 = 48 * 1024 * 1024;
/// Bytes after which a server gives nothing more: three parts are on their way, and one is filled.
const HOLDS_AFTER: u64 = 35 << 20;

async fn lab() -> Lab {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    write_snapshot(file.path(), VALUES);
    Lab::start(&file.into_temp_path().keep().unwrap(), true).await
}

async fn run(lab: &Lab, order: BackupOrder) -> Ended {
    lab.run(&lab.backup(order)).end().await
}

/// The object and its manifest are all that there is, and the Report names them.
fn is_whole(lab: &Lab, ended: &Ended) {
    let made = ended.report.backup.as_ref().unwrap_or_else(|| panic!("{:?}", ended.report));
    let name = made.key.strip_prefix("n/a/").unwrap();
    assert_eq!(lab.bucket.kept(), [name.to_owned(), format!("{name}.json")]);
    let (there, given) = (lab.bucket.path(&made.key), lab.bao.object());
    assert!(std::fs::read(there).unwrap() == std::fs::read(given).unwrap(), "the object is another one");
    has_settled(lab);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(lab.bucket.path(&(made.key.clone() + ".json"))).unwrap())
            .unwrap();
    assert!(manifest["marker"]["token"].is_string() && made.remark.is_none(), "{manifest} {:?}", made.remark);
}

/// The ticket names nothing for the next backup, and no marker lives in the cluster.
fn has_settled(lab: &Lab) {
    for name in [names::UPLOAD, names::SNAPSHOT_MARKER] {
        assert_eq!(lab.kubernetes.annotation(name), Value::Null);
    }
    assert_eq!(lab.bao.markers(), Vec::<String>::new());
}

/// The markers that the ticket names, and whether all of them live in the cluster.
fn markers(lab: &Lab) -> (Vec<SnapshotMarker>, bool) {
    let markers: Vec<SnapshotMarker> =
        serde_json::from_value(lab.kubernetes.annotation(names::SNAPSHOT_MARKER)).unwrap();
    let live = markers.iter().map(|marker| marker.token.clone()).eq(lab.bao.markers());
    (markers, live)
}

/// Waits until the upload stands on the ticket and so many parts of it are in the store.
async fn parts(lab: &Lab, count: usize) -> Upload {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_mins(1), "no {count} parts: {:?}", lab.bucket.kept());
        let upload = lab.kubernetes.annotation(names::UPLOAD);
        let parts = lab.bucket.kept().iter().filter(|name| name.contains("part")).count();
        if !upload.is_null() && parts >= count {
            return serde_json::from_value(upload).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Bug: memory grows with the snapshot, or with a store that is slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_and_keeps_within_its_memory() {
    let lab = lab().await;
    let ended = run(&lab, BackupOrder::default()).await;
    assert_eq!((ended.code, ended.report.outcome), (Some(0), Outcome::Done), "{:?}", ended.report);
    is_whole(&lab, &ended);
    assert!(ended.anonymous <= MOST_MEMORY, "{} bytes", ended.anonymous);
}

/// Bug: what a pod had begun when it was told to end stays in the store, paid for and found by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_termination_leaves_nothing() {
    let lab = lab().await;
    lab.bao.hold_after(HOLDS_AFTER);
    let executor = lab.run(&lab.backup(BackupOrder::default()));
    parts(&lab, 3).await;
    assert!(matches!(markers(&lab), (markers, true) if markers.len() == 1));
    signal(executor.id(), "TERM");
    let ended = executor.end().await;
    assert_eq!((ended.code, ended.report.problems[0].reason), (Some(2), Reason::Cancelled));
    assert_eq!(lab.bucket.kept(), Vec::<String>::new());
    has_settled(&lab);
}

/// Bug: parts of a pod that was killed stay for ever, or its marker for ten years, since nobody knows of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_removes_what_a_killed_one_left() {
    let lab = lab().await;
    lab.bao.hold_after(HOLDS_AFTER);
    let mut executor = lab.run(&lab.backup(BackupOrder::default()));
    let upload = parts(&lab, 3).await;
    executor.kill();
    let (unconsumed, live) = markers(&lab);
    assert!(live && unconsumed.len() == 1, "{unconsumed:?} of {:?}", lab.bao.markers());
    lab.bao.hold_after(0);
    lab.kubernetes.renew();
    let ended =
        run(&lab, BackupOrder { unfinished: vec![upload], unconsumed, ..BackupOrder::default() }).await;
    is_whole(&lab, &ended);
}

/// Bug: a Job that has to be given up makes a backup all the same, or fails without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_refuses_says_why_and_does_nothing() {
    let lab = lab().await;
    let message = "The template of this Job is older than the cluster's.".to_owned();
    let problem = Problem { reason: Reason::GenerationChanged, field: None, message };
    let ended = run(&lab, BackupOrder { refused: Some(problem.clone()), ..BackupOrder::default() }).await;
    assert_eq!((ended.code, ended.report.problems), (Some(1), vec![problem]));
    assert_eq!(lab.bucket.kept(), Vec::<String>::new());
}
