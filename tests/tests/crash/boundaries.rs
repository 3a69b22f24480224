//! The operator, or the executor, dies at each of its writes: before the API server hears of it, and before it hears
//! itself that it is done. Which writes there are is told by the run itself: the enumeration ends with the first run
//! that has no write of that number.

use crate::support::{cluster, installed, jobs_made};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tests::line::{Cut, Line, Options, Side};
use tests::rehearsal::{End, Rehearsal, phase};

/// Runs at once: most of a run is waiting.
const LANES: usize = 4;
/// Begins the name of each run's namespace.
const PREFIX: &str = "boundary";
const REQUEST: &str = "r";

/// Who dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Operator,
    Executor,
}

/// A restore, and what came of it.
struct Run {
    /// What was written on the line that was to be cut.
    written: Vec<String>,
    was_cut: bool,
    end: End,
}

/// A restore whose operator or executor dies at a write.
async fn run(who: Who, cut: Cut) -> Run {
    let rehearsal = Rehearsal::begin(cluster(), PREFIX).await.unwrap();
    let namespace = rehearsal.namespace();
    let line = |cut, pods| Line::open(cluster(), namespace, Options { cut, pods });
    let at = |it: Who| (it == who).then_some(cut);
    let pods = line(at(Who::Executor), None).await.unwrap();
    let first = line(at(Who::Operator), Some(pods.address())).await.unwrap();
    let second = line(None, Some(pods.address())).await.unwrap();
    let operator = installed().await.start(&first, &[]).unwrap();
    rehearsal.create(&rehearsal.request(REQUEST)).await.unwrap();
    let (end, was_cut) = tokio::select! {
        end = rehearsal.end(REQUEST) => (end, false),
        () = first.is_cut() => {
            operator.kill();
            let _operator = installed().await.start(&second, &[]).unwrap();
            (rehearsal.end(REQUEST).await, true)
        }
        () = pods.is_cut() => {
            kill_pods(&rehearsal).await;
            (rehearsal.end(REQUEST).await, true)
        }
    };
    let written = if who == Who::Operator { first.written() } else { pods.written() };
    Run { written, was_cut, end }
}

/// By SIGKILL; a Job that is still to make its pod has none.
async fn kill_pods(rehearsal: &Rehearsal) {
    let pods = rehearsal.api::<Pod>();
    let patch = json!({"metadata": {"annotations": {"node.local/fault": "kill"}}});
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        pods.patch(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }
}

/// Every write of one of them, on both sides. Gives what it was cut at, and all that it writes when it is not.
async fn every_write(who: Who, sound: impl Fn(&End) -> bool) -> (BTreeSet<String>, BTreeSet<String>) {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen: Mutex<(BTreeSet<String>, BTreeSet<String>)> = Mutex::default();
    let lane = async || {
        while !is_over.load(Ordering::SeqCst) {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let side = if number.is_multiple_of(2) { Side::Before } else { Side::After };
            let cut = Cut { write: number / 2 + 1, side };
            let run = run(who, cut).await;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let what = run.written.get(cut.write - 1).cloned().unwrap_or_default();
            println!("{who:?} {cut:?} {what}: {:?}, {} POSTs", phase(&run.end.request), run.end.posts);
            run.end.judge().unwrap_or_else(|error| panic!("{who:?} {cut:?} {what}: {error}"));
            assert!(sound(&run.end), "{who:?} {cut:?} {what}: {:?}", run.end);
            if run.was_cut {
                seen.0.insert(what);
            } else {
                seen.1.extend(run.written);
                is_over.store(true, Ordering::SeqCst);
            }
        }
    };
    join_all((0..LANES).map(|_| lane())).await;
    seen.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Bug: a write is made twice, or what follows it never, because the operator died beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_may_die_at_every_write() {
    let is_completed = |end: &End| phase(&end.request) == api::Phase::Completed;
    let (cut, written) = every_write(Who::Operator, is_completed).await;
    assert_eq!(cut, written);
    for (job, count) in jobs_made(PREFIX) {
        assert_eq!(count, 1, "{job}");
    }
}

/// Bug: an executor that died is taken for one that did nothing, or for one that did all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_may_die_at_every_write() {
    let (cut, written) = every_write(Who::Executor, |_| true).await;
    assert_eq!(cut, written);
}
