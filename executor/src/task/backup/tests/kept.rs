//! What stays in a bucket and what goes, and what is said of it.

use super::*;
use crate::report;

/// As much as no Report holds.
const LONG: &str = include_str!("../../backup.rs");

/// Bug: the policy is not followed in a real bucket, or something else goes.
#[tokio::test]
async fn retention_deletes_what_is_due_and_nothing_else() {
    let mut lab = Lab::new().await;
    let key = |day: u8| format!("{FOLDER}2026-03-{day:02}T03-00-00Z-00000000.snap");
    for day in 10..16 {
        lab.store.put(&key(day), b"old");
        lab.store.put(&archive::keys::manifest(&key(day)), b"{}");
    }
    let foreign = ["security/prod/latest.snap", "security/prod-2/2026-03-01T03-00-00Z-00000000.snap"];
    for key in foreign {
        lab.store.put(key, b"foreign");
    }
    let order = lab.task.backup.as_mut().unwrap();
    order.keep = Some(Keep { max_count: Some(4), max_age_seconds: None, tightened: false });
    order.protected = vec![key(11)];
    let made = lab.make().await.unwrap();
    let (work, store) = (lab.work(), lab.bucket());
    let pruned = retention::prune(&store, &lab.task, work.order, &made.key, work.clock.now()).await;
    assert_eq!((pruned.backups, pruned.remark.clone()), (2, None), "{pruned:?}");
    assert_eq!(pruned.keys, [key(10), key(12)]);
    let left: Vec<String> = [11, 13, 14, 15].map(key).into_iter().chain([made.key.clone()]).collect();
    let is_snapshot = |key: &String| archive::keys::began(FOLDER, key).is_some();
    assert_eq!(lab.objects().into_iter().filter(is_snapshot).collect::<Vec<_>>(), left);
    assert!(foreign.iter().all(|key| lab.objects().contains(&(*key).to_owned())));

    lab.store.faults.add(Method::GET, "list-type", Deed::Says(403, "AccessDenied"), usize::MAX);
    let pruned = retention::prune(&store, &lab.task, work.order, &made.key, work.clock.now()).await;
    assert!(pruned.remark.is_some_and(|text| text.contains("cannot be listed")));
}

/// Bug: a store without bulk deletion, or a page of a proxy in its answer, makes a good backup one that failed.
#[tokio::test]
async fn an_answer_that_is_long_is_told_in_short() {
    let mut lab = Lab::new().await;
    let key = |day: u8| format!("{FOLDER}2026-03-{day:02}T03-00-00Z-00000000.snap");
    for day in [10, 11] {
        lab.store.put(&key(day), b"old");
        lab.store.put(&archive::keys::manifest(&key(day)), b"{}");
    }
    let order = lab.task.backup.as_mut().unwrap();
    order.keep = Some(Keep { max_count: Some(1), max_age_seconds: None, tightened: true });
    let made = lab.make().await.unwrap();
    let (work, store) = (lab.work(), lab.bucket());
    lab.store.faults.add(Method::DELETE, ".json", Deed::Says(400, LONG), usize::MAX);
    let pruned = retention::prune(&store, &lab.task, work.order, &made.key, work.clock.now()).await;
    let remark = pruned.remark.clone().unwrap();
    assert!(remark.len() < 1000 && remark.contains("stays"), "{remark}");
    let report = report::fitted(&done(made, pruned));
    assert!(Report::parse(&report).unwrap().backup.is_some(), "{report}");
}

/// Bug: the credentials are replaced in the middle, the store knows nobody any more, and the upload is taken for gone.
#[tokio::test]
async fn an_upload_stays_named_while_nobody_may_ask_for_it() {
    let lab = Lab::new().await;
    let (part, snapshot) = ("partNumber=2", large_snapshot());
    lab.gives(vec![Gives::whole(snapshot)]);
    lab.store.faults.add(Method::PUT, part, Deed::Says(403, "InvalidAccessKeyId"), usize::MAX);
    lab.store.faults.add(Method::DELETE, "uploadId", Deed::Says(403, "InvalidAccessKeyId"), usize::MAX);
    let (work, store) = (lab.work(), lab.bucket());
    let site = Site::open(&work, &store).unwrap();
    assert!(lab.told(work.make(&site)).await.is_err());
    work.clean_up(&site).await;
    assert!(lab.progress.left().upload.is_some());
}

/// Bug: a store that knows no conditional writes never has a backup.
#[tokio::test]
async fn a_store_without_conditional_writes_has_its_manifest_all_the_same() {
    let (lab, snapshot) = (Lab::new().await, large_snapshot());
    lab.gives(vec![Gives::whole(snapshot.clone())]);
    // The first, and each that follows it before it is believed.
    lab.store.faults.add(Method::PUT, ".json", Deed::Says(501, "NotImplemented"), 5);
    let made = lab.attempt().await.unwrap();
    assert!(lab.store.faults.are_over());
    lab.is_whole(&made, &snapshot);
}
