use super::*;
use crate::testing::{SNAPSHOT, Store, args, task};
use std::path::Path;

/// Bug: a pod without a Task, or with one of another release, does something.
#[tokio::test]
async fn without_a_task_it_can_follow_it_refuses() {
    for text in ["", "{}", r#"{"v":2}"#, "no JSON"] {
        let report = run(&args(Path::new("/nowhere"), text)).await;
        assert_eq!(report.outcome.exit_code(), 1, "{text:?}");
        assert!(report.problems[0].message.contains("nothing"), "{:?}", report.problems);
    }
}

async fn read(store: &Store, task: &Task, copy: &mut Vec<u8>) -> Report {
    let mut task = task.clone();
    task.target = store.target.clone();
    let args = args(&store.mounts(), "");
    let (findings, summary) = snapshot::read(&task, &args, &Progress::default(), copy).await;
    assert_eq!(summary.is_none(), findings.has_problems());
    findings.unchanged()
}

#[tokio::test]
async fn what_was_read_is_copied_and_pinned() {
    let store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    let mut copy = Vec::new();
    let report = read(&store, &task(TaskKind::Check), &mut copy).await;
    assert_eq!((report.outcome, report.problems.len()), (Outcome::Done, 0));
    assert_eq!(report.pinned.unwrap().size, SNAPSHOT.len() as u64);
    assert_eq!(copy, SNAPSHOT);
}

#[tokio::test]
async fn the_field_that_is_wrong_is_named() {
    let store = Store::start().await;
    let field = async || {
        let report = read(&store, &task(TaskKind::Check), &mut Vec::new()).await;
        assert_eq!(report.outcome, Outcome::Refused);
        (report.problems[0].reason, report.problems[0].field.clone().unwrap())
    };
    let key = || "spec.source.key".to_owned();
    assert_eq!(field().await, (Reason::SnapshotNotFound, key()));
    store.put("a.snap", &SNAPSHOT[1..]);
    assert_eq!(field().await, (Reason::SnapshotInvalid, key()));
    store.secret("secretAccessKey", "another");
    let secret = "spec.source.target.credentialsSecretRef".to_owned();
    assert_eq!(field().await, (Reason::StorageDenied, secret));
}

/// Bug: the hash of a request is read and never looked at.
#[tokio::test]
async fn an_object_with_another_hash_is_refused() {
    let store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    let right = "969F10CF7174550F5B1135F7DDCA45FFAA93A742A57D7DD3715188BFE105C7DF";
    let mut task = task(TaskKind::Check);
    task.sha256 = Some(right.to_owned());
    assert_eq!(read(&store, &task, &mut Vec::new()).await.outcome, Outcome::Done);
    task.sha256 = Some("0".repeat(64));
    let report = read(&store, &task, &mut Vec::new()).await;
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(report.problems[0].field.as_deref(), Some("spec.source.sha256"));
    assert_eq!(report.pinned.unwrap().sha256, right.to_lowercase());
}

/// Bug: a restore sends another object than the one that was checked.
#[tokio::test]
async fn an_object_that_changed_since_the_check_is_refused() {
    let store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    let mut task = task(TaskKind::Restore);
    task.pinned = read(&store, &task, &mut Vec::new()).await.pinned;
    assert_eq!(read(&store, &task, &mut Vec::new()).await.outcome, Outcome::Done);
    let changes: [fn(&mut api::task::Pinned); 3] = [
        |pinned| pinned.size += 1,
        |pinned| pinned.sha256 = "0".repeat(64),
        |pinned| pinned.etag = Some("another".to_owned()),
    ];
    for change in changes {
        let mut task = task.clone();
        task.pinned.as_mut().map(change).unwrap();
        let report = read(&store, &task, &mut Vec::new()).await;
        assert_eq!(report.problems[0].reason, Reason::ObjectChanged, "{:?}", task.pinned);
    }
}
