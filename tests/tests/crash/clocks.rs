//! Clocks that are a day apart, and that jump: deadlines are judged by the API server's, and nothing runs twice.

use crate::support::{cluster, installed};
use api::conditions::{ConditionType, Reason};
use api::task::TaskKind;
use api::{OpenBaoCluster, OpenBaoRestore, Phase};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tests::harness::lane;
use tests::line::{Line, Options};
use tests::operator::Operator;
use tests::reference;
use tests::rehearsal::{CLUSTER, Rehearsal, phase, reason};
use tests::stub::{Order, Step};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// More than any clock here is off that is not meant to be.
const CLOSE: SignedDuration = SignedDuration::from_secs(30);
/// Of a request that gives up soon.
const HASTY: i64 = 6;

/// The local clock of an operator; it is read at each question, so that it jumps at once.
struct LocalClock(PathBuf);

impl LocalClock {
    fn new(rehearsal: &Rehearsal) -> Self {
        Self(cluster().folder().join(format!("clock-{}", rehearsal.namespace())))
    }

    fn set(&self, ahead: SignedDuration) {
        // Whole, so that it is never read half.
        let next = self.0.with_extension("next");
        std::fs::write(&next, format!("{:+}s\n", ahead.as_secs())).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }

    fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", tests::tools::faketime(|_| ()).unwrap().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// How far the clock of an operator was off when it said something last.
fn seen_off(operator: &Operator) -> SignedDuration {
    let log = std::fs::read_to_string(operator.log()).unwrap();
    let last: Value = log.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap();
    last["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap().duration_since(Timestamp::now())
}

/// Somebody else has the lock, or gives it back.
async fn set_lock(rehearsal: &Rehearsal, lock: Value) {
    let patch = Patch::Merge(json!({"status": {"operationLock": lock}}));
    let clusters = rehearsal.api::<OpenBaoCluster>();
    clusters.patch_status(CLUSTER, &PatchParams::default(), &patch).await.unwrap();
}

fn waits_for_lock(request: &OpenBaoRestore) -> bool {
    reason(request, ConditionType::LockHeld) == Reason::LockHeldByOther.as_str()
}

fn ended_at(request: &OpenBaoRestore) -> Timestamp {
    request.status.as_ref().unwrap().completion_time.as_ref().unwrap().0
}

/// One request gives up after its few seconds, and not before; another, which has an hour, does not give up with it, and
/// runs once. `step` is what the operator's clock jumps to at each stage.
async fn deadlines_hold(off: SignedDuration, step: SignedDuration) {
    let rehearsal = Rehearsal::begin(cluster(), "clock").await.unwrap();
    let clock = LocalClock::new(&rehearsal);
    clock.set(off);
    let line = Line::open(cluster(), rehearsal.namespace(), Options::default()).await.unwrap();
    let operator = installed().await.start(&line, &clock.variables()).unwrap();
    set_lock(&rehearsal, json!({"operation": "Upgrade", "holder": reference::UPGRADE})).await;
    let patient = rehearsal.request("patient");
    let mut hasty = rehearsal.request("hasty");
    hasty["spec"]["startingDeadlineSeconds"] = json!(HASTY);
    let created = rehearsal.create(&hasty).await.unwrap().metadata.creation_timestamp.unwrap().0;
    rehearsal.create(&patient).await.unwrap();
    rehearsal.until("patient", "waits for the lock", waits_for_lock).await;
    assert!((seen_off(&operator) - off).abs() < CLOSE, "the operator's clock is off by {off:#}");

    clock.set(step);
    let hasty = rehearsal.end("hasty").await.request;
    assert_eq!(reason(&hasty, ConditionType::Applied), Reason::DeadlineExceeded.as_str());
    let waited = ended_at(&hasty).duration_since(created);
    assert!((HASTY..HASTY + CLOSE.as_secs()).contains(&waited.as_secs()), "it gave up after {waited:#}");
    assert!(waits_for_lock(&rehearsal.stored("patient").await.unwrap()), "it has an hour");

    rehearsal.conductor().hold(TaskKind::Restore, Step::Claim);
    set_lock(&rehearsal, Value::Null).await;
    rehearsal.conductor().asked(TaskKind::Restore, Step::Claim, 1).await;
    clock.set(off);
    rehearsal.conductor().order(TaskKind::Restore, Step::Claim, Order::Go);
    let end = rehearsal.end("patient").await;
    end.judge().unwrap();
    assert_eq!(phase(&end.request), Phase::Completed);
    let off_by = ended_at(&end.request).duration_since(Timestamp::now());
    assert!(off_by.abs() < CLOSE, "times are the API server's: {off_by:#}");
}

/// Bug: a request is given up at once, or never, because two machines disagree about the day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_clock_decides_nothing() {
    let _lane = lane().await;
    tokio::join!(
        deadlines_hold(DAY, DAY),
        deadlines_hold(-DAY, -DAY),
        deadlines_hold(DAY, -DAY),
        deadlines_hold(-DAY, DAY),
    );
}

/// The API server's clock jumps while a restore is at work: it is neither given up nor done twice.
async fn jumps_while_running(moment: Step, by: SignedDuration) {
    let rehearsal = Rehearsal::begin(cluster(), "clock").await.unwrap();
    let line = Line::open(cluster(), rehearsal.namespace(), Options::default()).await.unwrap();
    let _operator = installed().await.start(&line, &[]).unwrap();
    rehearsal.conductor().hold(TaskKind::Restore, moment);
    rehearsal.create(&rehearsal.request("r")).await.unwrap();
    rehearsal.conductor().asked(TaskKind::Restore, moment, 1).await;
    line.set_clock(by);
    looked_at(&line).await;
    rehearsal.conductor().order(TaskKind::Restore, moment, Order::Go);
    let end = rehearsal.end("r").await;
    end.judge().unwrap();
    assert_eq!(phase(&end.request), Phase::Completed, "{moment:?} {by:#}");
}

/// The operator has looked at its restores with the clock as it is now: at work it does so each second.
async fn looked_at(line: &Line) {
    let before = line.looks();
    let often = async || (line.looks() > before + 3).then_some(());
    cluster().eventually("the operator looks", Duration::from_mins(1), often).await;
}

/// Bug: a restore at work is ended by a deadline, or begun anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_servers_clock_may_jump_while_a_restore_runs() {
    let _lane = lane().await;
    tokio::join!(
        jumps_while_running(Step::Claim, DAY),
        jumps_while_running(Step::Claim, -DAY),
        jumps_while_running(Step::Post, DAY),
        jumps_while_running(Step::Post, -DAY),
    );
}

/// Bug: a cluster that another controller once backed up can never be restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_controller_that_is_silent_for_ten_minutes_is_gone() {
    let _lane = lane().await;
    let rehearsal = Rehearsal::begin(cluster(), "silent").await.unwrap();
    let line = Line::open(cluster(), rehearsal.namespace(), Options::default()).await.unwrap();
    let _operator = installed().await.start(&line, &[]).unwrap();
    reference::report_backup(&rehearsal.api(), CLUSTER).await.unwrap();
    rehearsal.create(&rehearsal.request("r")).await.unwrap();
    let waits = |request: &OpenBaoRestore| {
        reason(request, ConditionType::ClusterResolved) == Reason::ForeignController.as_str()
    };
    rehearsal.until("r", "waits for the other controller", waits).await;
    line.set_clock(SignedDuration::from_mins(9));
    looked_at(&line).await;
    assert!(waits(&rehearsal.stored("r").await.unwrap()), "nine minutes are not ten");
    line.set_clock(SignedDuration::from_mins(11));
    let resolved = |request: &OpenBaoRestore| {
        reason(request, ConditionType::ClusterResolved) == Reason::Accepted.as_str()
    };
    let request = rehearsal.until("r", "waits no longer", resolved).await;
    assert_eq!(phase(&request), Phase::Validating);
}
