mod kept;
mod marker;

use super::*;
use crate::clock::Moment;
use crate::progress::Left;
use crate::testing::{Bao, Deed, End, Gives, SNAPSHOT, Store, args, large_snapshot, task};
use api::task::{Keep, Login, TaskKind, Upload};
use bytes::Bytes;
use hyper::Method;
use jiff::Timestamp;

const FOLDER: &str = "security/prod/";
const NOW: &str = "2026-03-20T03:00:00Z";

/// A store, three servers, and the Task to back them up.
struct Lab {
    store: Store,
    bao: Bao,
    task: Task,
    progress: Progress,
    args: Args,
}

impl Lab {
    async fn new() -> Self {
        let (store, bao) = (Store::start().await, Bao::start(3).await);
        std::fs::create_dir(store.mounts().join("token")).unwrap();
        std::fs::write(store.mounts().join("token/token"), "s.t\n").unwrap();
        let mut task = task(TaskKind::Backup);
        task.target = store.target.clone();
        task.target.part_size = 5 << 20;
        task.cluster = bao.servers();
        FOLDER.clone_into(&mut task.key);
        task.backup = Some(BackupOrder::default());
        let args = args(&store.mounts(), "");
        Self { store, bao, task, progress: Progress::default(), args }
    }

    fn gives(&self, gives: Vec<Gives>) {
        self.bao.server(0, |server| server.gives = gives);
    }

    fn bucket(&self) -> Arc<AmazonS3> {
        Arc::new(storage::open(&self.task.target, &self.store.secrets(), &Guard::of(&self.args)).unwrap())
    }

    fn clock() -> ServerClock {
        ServerClock { said: NOW.parse().unwrap(), since: Moment::now() }
    }

    fn work(&self) -> Work<'_> {
        let order = self.task.backup.as_ref().unwrap();
        Work { task: &self.task, args: &self.args, order, clock: Self::clock(), progress: &self.progress }
    }

    /// Works while the ticket is written as it has to be.
    async fn told<T>(&self, work: impl Future<Output = T>) -> T {
        let teller = async {
            loop {
                self.progress.news().await;
                self.progress.tell(self.progress.left());
            }
        };
        tokio::select! {
            done = work => done,
            () = teller => unreachable!(),
        }
    }

    /// One attempt, and what follows on one that failed for good.
    async fn attempt(&self) -> Result<Made, Report> {
        let (work, store) = (self.work(), self.bucket());
        let site = Site::open(&work, &store).unwrap();
        let made = self.told(site.attempt()).await;
        if made.is_err() {
            work.discard(&store).await.unwrap();
        }
        made.map(|(made, _)| made).map_err(Findings::unchanged)
    }

    async fn make(&self) -> Result<Made, Report> {
        let (work, store) = (self.work(), self.bucket());
        let site = Site::open(&work, &store).unwrap();
        let (made, session) = match self.told(work.make(&site)).await {
            Ok(made) => made,
            Err(findings) => {
                work.clean_up(&site).await;
                return Err(findings.unchanged());
            }
        };
        session.end().await;
        Ok(made)
    }

    /// The backup is whole, alone, and not to be settled any more.
    fn is_whole(&self, made: &Made, snapshot: &[u8]) {
        assert_eq!(self.store.object(&made.key), snapshot);
        let mut verifier = archive::Verifier::new();
        verifier.push(snapshot).unwrap();
        let manifest = self.store.object(&archive::keys::manifest(&made.key));
        let manifest = archive::Manifest::parse(&manifest).unwrap();
        assert_eq!(manifest.differences(&verifier.finish().unwrap()), vec![]);
        assert_eq!(manifest.cluster_id.as_deref(), Some("ours"));
        assert_eq!(made.pinned.sha256, manifest.sha256);
        assert!(manifest.marker.is_some() && made.remark.is_none(), "{:?}", made.remark);
        let objects = [made.key.clone(), archive::keys::manifest(&made.key)];
        assert_eq!(self.objects(), objects);
        self.has_settled("");
    }

    /// Keys in the bucket. Files of uploads lie beside it, and there must be none.
    fn objects(&self) -> Vec<String> {
        let kept = self.store.kept();
        // This store keeps records of its own beside, and what it had of a request that broke off.
        let is_record = |path: &str| path.starts_with(".bucket-") || path.starts_with(".tmp.");
        let (objects, others): (Vec<String>, Vec<String>) =
            kept.into_iter().filter(|path| !is_record(path)).partition(|path| path.starts_with("snapshots/"));
        assert_eq!(others, Vec::<String>::new(), "something is left of an upload");
        objects.iter().map(|path| path["snapshots/".len()..].to_owned()).collect()
    }

    fn has_nothing(&self, what: &str) {
        assert_eq!(self.objects(), Vec::<String>::new(), "{what}");
        self.has_settled(what);
    }

    /// Nothing is named for the next backup, and no marker lives in the cluster.
    fn has_settled(&self, what: &str) {
        assert_eq!(self.progress.left(), Left::default(), "{what}");
        assert_eq!(self.bao.markers(|markers| markers.of_backups()), Vec::<String>::new(), "{what}");
    }
}

/// Requests for snapshots that the leader has had.
fn asked(lab: &Lab) -> usize {
    let snapshot = |path: &&String| path.ends_with("raft/snapshot");
    lab.bao.server(0, |server| server.asked.iter().filter(snapshot).count())
}

fn whole() -> Gives {
    Gives::whole(Bytes::from_static(SNAPSHOT))
}

fn cut(at: usize) -> Gives {
    Gives::whole(Bytes::from_static(&SNAPSHOT[..at]))
}

fn ending(end: End) -> Gives {
    Gives { end, ..cut(9000) }
}

#[tokio::test]
async fn a_whole_snapshot_becomes_a_backup_with_a_manifest() {
    let lab = Lab::new().await;
    let made = lab.make().await.unwrap();
    lab.is_whole(&made, SNAPSHOT);
    assert_eq!(archive::keys::began(FOLDER, &made.key), Some(NOW.parse::<Timestamp>().unwrap()));
    assert_eq!(made.server_version.as_deref(), Some("2.7.2"));
    assert_eq!(lab.progress.text(), Some(format!("{0}/{0}", SNAPSHOT.len())));
    let again = lab.make().await.unwrap();
    assert_ne!(again.key, made.key, "two of the same second");
}

/// Where a member begins or ends, where the archive's own ends begin, and the last byte: what is stored uncompressed is
/// found again in the object.
fn boundaries() -> Vec<usize> {
    let headers = ["meta.json", "state.bin", "SHA256SUMS", "SHA256SUMS.sealed"].map(|name| {
        let name = format!("{name}\0");
        SNAPSHOT.windows(name.len()).position(|bytes| bytes == name.as_bytes()).unwrap()
    });
    let mut all: Vec<usize> = headers.into_iter().flat_map(|at| [at, at + 512]).collect();
    all.extend([
        0,
        10,
        15,
        SNAPSHOT.len() - 1034,
        SNAPSHOT.len() - 10,
        SNAPSHOT.len() - 8,
        SNAPSHOT.len() - 1,
    ]);
    all
}

/// Bug: OpenBao ends a snapshot that failed with a proper end, and half of one is kept as a backup.
#[tokio::test]
async fn a_snapshot_cut_anywhere_leaves_nothing() {
    let lab = Lab::new().await;
    let whole = if std::env::var_os("SOAK").is_some() { 2000 } else { 50 };
    let seed: usize = std::env::var("SEED").map_or(7919, |seed| seed.parse().unwrap());
    println!("{whole} of 2000, SEED={seed}");
    let random = (0..whole).map(|number| (seed + number * 104_729) % SNAPSHOT.len());
    for at in boundaries().into_iter().chain(random) {
        lab.gives(vec![cut(at)]);
        let report = lab.attempt().await.map(|made| made.key).unwrap_err();
        assert_eq!(
            report.problems[0].reason,
            Reason::SnapshotTruncated,
            "cut at {at}: {:?}",
            report.problems
        );
        assert_eq!(report.outcome, Outcome::Failed);
        lab.has_nothing(&format!("cut at {at}"));
    }
}

#[tokio::test]
async fn a_broken_connection_is_told_from_a_damaged_snapshot() {
    let lab = Lab::new().await;
    let mut bent = SNAPSHOT.to_vec();
    bent[9000] ^= 1;
    // Large enough to have left the server before the connection breaks.
    let broken = Gives { end: End::Break, ..Gives::whole(large_snapshot()) };
    let nothing_new = r#"{"errors":["nothing new to snapshot"]}"#;
    let denied = r#"{"errors":["permission denied"]}"#;
    for (case, gives, reason) in [
        ("broken", broken, Reason::SnapshotTruncated),
        ("bent", Gives::whole(Bytes::from(bent)), Reason::SnapshotInvalid),
        ("nothing new", Gives::refusal(500, nothing_new), Reason::SnapshotRefused),
        ("denied", Gives::refusal(403, denied), Reason::LoginRefused),
    ] {
        lab.gives(vec![gives]);
        let report = lab.attempt().await.map(|made| made.key).unwrap_err();
        assert_eq!(report.problems[0].reason, reason, "{case}: {:?}", report.problems);
        lab.has_nothing(case);
    }
}

/// Bug: a server that gives nothing any more holds its locks, and ours, for a day.
#[tokio::test]
async fn a_server_that_stops_giving_is_left() {
    let lab = Lab::new().await;
    let store = lab.bucket();
    lab.gives(vec![ending(End::Hang)]);
    let mut draft = crate::upload::Draft::begin(Arc::clone(&store), "a", 3).await.unwrap();
    let upload = draft.upload.clone();
    let stream = reqwest::get(format!("{}/v1/sys/storage/raft/snapshot", lab.bao.addresses[0]));
    let limits = stream::Limits { part: 8192, stall: Duration::from_millis(300) };
    let bytes = stream.await.unwrap().bytes_stream();
    let error = stream::copy(bytes, &mut draft, limits, &lab.progress).await.unwrap_err();
    assert!(matches!(error, error::BackupError::Stalled(_)), "{error}");
    drop(draft);
    settle(&store, &upload, Leave::Nothing).await.unwrap();
    lab.has_nothing("stalled");
}

/// Bug: a leader that has just started, or steps down, costs the backup of this hour; or the next attempt goes on with
/// the key of the one before.
#[tokio::test]
async fn a_passing_failure_is_tried_again_under_a_new_key() {
    let lab = Lab::new().await;
    let nothing = r#"{"errors":["raft error when taking snapshot: nothing new to snapshot"]}"#;
    lab.gives(vec![Gives::refusal(500, nothing), cut(15_000), whole()]);
    let made = lab.make().await.unwrap();
    lab.is_whole(&made, SNAPSHOT);
    assert_eq!(asked(&lab), 3);
}

#[tokio::test]
async fn credentials_that_are_refused_are_tried_once_and_told() {
    let mut lab = Lab::new().await;
    lab.gives(vec![Gives::refusal(403, r#"{"errors":["permission denied"]}"#)]);
    let report = lab.make().await.map(|made| made.key).unwrap_err();
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(report.problems[0].field.as_deref(), Some("spec.backup.tokenSecretRef"));
    let policy = r#"path "sys/storage/raft/snapshot" { capabilities = ["read"] }"#;
    assert!(report.problems[0].message.contains(policy), "{:?}", report.problems);
    assert_eq!(asked(&lab), 1);

    lab.task.login = Some(Login::Jwt { mount: "jwt".to_owned(), role: "backup".to_owned() });
    std::fs::create_dir(lab.store.mounts().join("jwt")).unwrap();
    std::fs::write(lab.store.mounts().join("jwt/token"), "j.w.t").unwrap();
    lab.gives(vec![whole()]);
    lab.make().await.unwrap();
    let revoked = |path: &String| path == "auth/token/revoke-self";
    assert!(lab.bao.server(0, |server| server.asked.iter().any(revoked)), "the token of the login stays");
}

/// Bug: an object is called a backup although the store does not have it whole, or a good one is given up.
#[tokio::test]
async fn whatever_the_store_does_an_object_with_a_manifest_is_whole() {
    let (put, post) = (Method::PUT, Method::POST);
    let (part, begin, complete, manifest) = ("partNumber=2", "uploads", "uploadId", ".json");
    let once = [
        (&put, part, Deed::Says(500, "InternalError"), 1),
        (&put, part, Deed::Says(503, "SlowDown"), 2),
        (&put, part, Deed::Breaks, 1),
        (&put, part, Deed::Forgets, 1),
        (&post, begin, Deed::Says(503, "SlowDown"), 1),
        (&post, begin, Deed::Forgets, 1),
        (&post, complete, Deed::Says(500, "InternalError"), 1),
        (&post, complete, Deed::Says(200, "InternalError"), 2),
        (&post, complete, Deed::Breaks, 1),
        (&post, complete, Deed::Forgets, 1),
        (&put, manifest, Deed::Says(503, "SlowDown"), 1),
        (&put, manifest, Deed::Forgets, 1),
        (&put, part, Deed::Bends, 1),
        (&put, part, Deed::Says(400, "BadDigest"), 1),
        (&put, manifest, Deed::Bends, 1),
    ];
    let snapshot = large_snapshot();
    for (method, of, deed, count) in once {
        let lab = Lab::new().await;
        lab.gives(vec![Gives::whole(snapshot.clone())]);
        lab.store.faults.add(method.clone(), of, deed, count);
        let made = lab.make().await;
        assert!(lab.store.faults.are_over(), "{method} {of} {deed:?} did not happen");
        let made = made.unwrap_or_else(|report| panic!("{method} {of} {deed:?}: {:?}", report.problems));
        if (of, deed) == (begin, Deed::Forgets) {
            // The upload whose id nobody was told stays; a rule of the bucket's life cycle removes it.
            assert_eq!(lab.store.object(&made.key), snapshot);
        } else {
            lab.is_whole(&made, &snapshot);
        }
    }
}

/// Bug: a store that says nothing any more holds the backup, and the locks of the server, for ever.
#[tokio::test]
async fn a_store_that_stalls_is_left_and_the_next_attempt_is_whole() {
    let snapshot = large_snapshot();
    for (method, of) in [(Method::PUT, "partNumber=2"), (Method::POST, "uploadId"), (Method::PUT, ".json")] {
        let lab = Lab::new().await;
        lab.gives(vec![Gives::whole(snapshot.clone())]);
        lab.store.faults.add(method, of, Deed::Hangs, 1);
        let (made, ()) = tokio::join!(lab.make(), async {
            lab.store.faults.over().await;
            pass(Duration::from_mins(3)).await;
        });
        let made = made.unwrap_or_else(|report| panic!("{of}: {:?}", report.problems));
        assert_eq!(lab.store.object(&made.key), snapshot, "{of}");
        // What OpenBao was asked at that moment is lost too, so that there may be no marker.
        assert_eq!(lab.objects(), [made.key.clone(), archive::keys::manifest(&made.key)], "{of}");
    }
}

/// Lets all limits of that length run out that stand now.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_store_that_fails_for_good_is_told_and_keeps_nothing() {
    let (part, complete, snapshot) = ("partNumber=2", "uploadId", large_snapshot());
    for (method, of, deed) in [
        (Method::PUT, part, Deed::Says(403, "AccessDenied")),
        (Method::PUT, part, Deed::Says(400, "BadDigest")),
        (Method::POST, complete, Deed::Says(200, "InternalError")),
        (Method::PUT, ".json", Deed::Says(403, "AccessDenied")),
        (Method::PUT, ".json", Deed::Says(400, "BadDigest")),
    ] {
        let lab = Lab::new().await;
        lab.gives(vec![Gives::whole(snapshot.clone())]);
        lab.store.faults.add(method.clone(), of, deed, usize::MAX);
        let report = lab.attempt().await.map(|made| made.key).unwrap_err();
        let reason = report.problems[0].reason;
        assert!(
            matches!(reason, Reason::StorageDenied | Reason::StorageUnreachable),
            "{method} {of} {deed:?}: {:?}",
            report.problems
        );
        lab.has_nothing(&format!("{method} {of} {deed:?}"));
    }
}

/// Bug: what a killed pod left stays for ever; or a backup that it had just made goes.
#[tokio::test]
async fn what_an_earlier_pod_left_is_settled_first() {
    let mut lab = Lab::new().await;
    let store = lab.bucket();
    let key = format!("{FOLDER}2026-03-20T02-00-00Z-00000000.snap");
    let mut draft = crate::upload::Draft::begin(Arc::clone(&store), &key, 3).await.unwrap();
    draft.put(Bytes::from_static(b"part")).await.unwrap();
    let begun = draft.upload.clone();
    while !lab.store.kept().iter().any(|path| path.ends_with("part-1")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let completed = Upload { key: format!("{FOLDER}2026-03-20T01-00-00Z-00000000.snap"), id: uuid(1) };
    lab.store.put(&completed.key, b"no manifest");
    let good = Upload { key: format!("{FOLDER}2026-03-20T00-00-00Z-00000000.snap"), id: uuid(2) };
    lab.store.put(&good.key, b"a backup");
    lab.store.put(&archive::keys::manifest(&good.key), b"{}");
    lab.task.backup.as_mut().unwrap().unfinished = vec![begun, completed, good.clone()];
    let made = lab.make().await.unwrap();
    let kept = [good.key.clone(), archive::keys::manifest(&good.key), made.key.clone(), made.key + ".json"];
    assert_eq!(lab.objects(), kept);
}

fn uuid(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}
