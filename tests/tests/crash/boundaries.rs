//! The operator, or the executor, dies at each of its writes: before the API server hears of it, and before it hears
//! itself that it is done. Which writes there are is told by the run itself: the enumeration ends with the first run
//! that has no write of that number.

use crate::deaths::{Death, Seen, Who, watch};
use crate::support::{cluster, jobs_made};
use api::Phase;
use futures::future::join_all;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tests::harness::lane;
use tests::rehearsal::{End, Rehearsal, phase};

/// Runs at once: most of a run is waiting.
const LANES: usize = 4;
/// Begins the name of each run's namespace.
const PREFIX: &str = "boundary";
const REQUEST: &str = "r";

/// Writes at which somebody died, and writes of a run in which nobody did.
#[derive(Default)]
struct Tally {
    deaths: BTreeSet<String>,
    writes: BTreeSet<String>,
}

async fn run(death: Death) -> Seen<End> {
    let rehearsal = Rehearsal::begin(cluster(), PREFIX).await.unwrap();
    let begin = async || drop(rehearsal.create(&rehearsal.request(REQUEST)).await.unwrap());
    watch(rehearsal.namespace(), Some(death), begin, async || rehearsal.end(REQUEST).await).await
}

/// Every write of one of them, on both sides.
async fn every_write(who: Who, is_sound: impl Fn(&End) -> bool) -> Tally {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let tally = Mutex::new(Tally::default());
    let lane = async || {
        while !is_over.load(Ordering::SeqCst) {
            let death = Death::nth(who, next.fetch_add(1, Ordering::SeqCst));
            let seen = run(death).await;
            let what = format!("{death:?} {}", seen.last_word(death));
            println!("{what}: {:?}, {} POSTs", phase(&seen.end.request), seen.end.posts);
            seen.end.judge().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(is_sound(&seen.end), "{what}: {:?}", seen.end);
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.was_cut {
                tally.deaths.insert(seen.last_word(death).to_owned());
            } else {
                tally.writes.extend(seen.written(who).to_vec());
                is_over.store(true, Ordering::SeqCst);
            }
        }
    };
    join_all((0..LANES).map(|_| lane())).await;
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Bug: a write is made twice, or what follows it never, because the operator died beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_may_die_at_every_write() {
    let _lane = lane().await;
    let tally = every_write(Who::Operator, |end| phase(&end.request) == Phase::Completed).await;
    assert!(!tally.writes.is_empty());
    assert_eq!(tally.deaths, tally.writes);
    for (job, count) in jobs_made(PREFIX) {
        assert_eq!(count, 1, "{job}");
    }
}

/// Bug: an executor that died is taken for one that did nothing, or for one that did all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_may_die_at_every_write() {
    let _lane = lane().await;
    let tally = every_write(Who::Executor, |_| true).await;
    assert!(!tally.writes.is_empty());
    assert_eq!(tally.deaths, tally.writes);
}
