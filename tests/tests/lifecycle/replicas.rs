//! Both replicas of the operator are killed at a random time of a restore: another election, and the restore ends.

use crate::support::{cluster, rehearsal};
use api::Phase;
use std::time::Duration;
use tests::harness::sample;
use tests::operator::kill_all;
use tests::rehearsal::phase;

/// A rehearsal without a kill takes about four seconds.
const RESTORE: Duration = Duration::from_secs(4);

/// Bug: two leaders, or none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_killed_are_followed_by_others() {
    let sample = sample(1, 40);
    for number in 0..sample.count {
        let after = RESTORE.mul_f64(sample.fraction(number));
        let rehearsal = rehearsal("killed").await;
        rehearsal.create(&rehearsal.request("dr")).await.unwrap();
        tokio::time::sleep(after).await;
        kill_all(cluster()).unwrap();
        let end = rehearsal.end("dr").await;
        end.judge().unwrap();
        assert_eq!(phase(&end.request), Phase::Completed, "killed after {after:?}");
    }
}
