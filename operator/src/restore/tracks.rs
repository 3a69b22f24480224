//! What is remembered of each request between looks: nothing that decides, only how soon to look again, and metrics.

use super::RestoreError;
use crate::metrics::Metrics;
use plan::restore::Waiting;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// First and longest pause after failures in a row.
const BACK_OFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(1)];

/// Namespace and name of a request.
pub(super) type Key = (String, String);

/// One track a request.
pub(super) struct Tracks {
    by_request: Mutex<HashMap<Key, Track>>,
    metrics: Arc<Metrics>,
    chance: RandomState,
}

#[derive(Clone, Copy, Default)]
struct Track {
    failures: u32,
    waiting: Option<Waiting>,
}

impl Tracks {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { by_request: Mutex::default(), metrics, chance: RandomState::new() }
    }

    /// Notes what a request waits for now.
    pub(super) fn waits(&self, key: &Key, waiting: Option<Waiting>) {
        self.change(key, |track| track.waiting = waiting);
    }

    /// Notes a look that came to its end.
    pub(super) fn succeeded(&self, key: &Key) {
        self.metrics.restore_looks.inc();
        self.change(key, |track| track.failures = 0);
    }

    /// Notes a look that failed, and says how long to wait until the next one.
    pub(super) fn failed(&self, key: &Key, error: &RestoreError) -> Duration {
        self.metrics.restore_failures.inc();
        let failures = self.change(key, |track| {
            track.failures = track.failures.saturating_add(1);
            track.failures
        });
        let (namespace, restore) = key;
        tracing::warn!(namespace, restore, failures, %error, "a look at a restore failed");
        let [first, longest] = BACK_OFF;
        self.jittered(key, first.saturating_mul(2_u32.saturating_pow(failures)).min(longest))
    }

    /// The request is gone, or at rest for good.
    pub(super) fn forget(&self, key: &Key) {
        let mut tracks = self.by_request.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(track) = tracks.remove(key) {
            self.metrics.restores_waiting.moves(track.waiting.map(Waiting::reason), None);
        }
    }

    /// Between a third of `longest` and all of it, another share in each process, so that a fleet does not beat together.
    pub(super) fn jittered(&self, key: &Key, longest: Duration) -> Duration {
        const STEPS: u32 = 1024;
        let step = u32::try_from(self.chance.hash_one(key) % u64::from(STEPS)).unwrap_or_default();
        longest / 3 + longest * 2 / 3 * step / STEPS
    }

    fn change<T>(&self, key: &Key, change: impl FnOnce(&mut Track) -> T) -> T {
        let mut tracks = self.by_request.lock().unwrap_or_else(PoisonError::into_inner);
        let track = tracks.entry(key.clone()).or_default();
        let before = track.waiting;
        let result = change(track);
        let reason = |waiting: Option<Waiting>| waiting.map(Waiting::reason);
        self.metrics.restores_waiting.moves(reason(before), reason(track.waiting));
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_wait_longer_and_a_good_look_ends_the_row() {
        let tracks = Tracks::new(Arc::new(Metrics::new()));
        let key = ("n".to_owned(), "r".to_owned());
        let waits: Vec<Duration> = (0..12).map(|_| tracks.failed(&key, &RestoreError::Raced)).collect();
        assert!(waits.is_sorted() && waits[0] < waits[11], "{waits:?}");
        assert!(waits[11] <= BACK_OFF[1] && waits[11] >= BACK_OFF[1] / 3, "{waits:?}");
        tracks.succeeded(&key);
        assert_eq!(tracks.failed(&key, &RestoreError::Raced), waits[0]);
    }

    #[test]
    fn what_is_forgotten_waits_no_more() {
        let metrics = Arc::new(Metrics::new());
        let tracks = Tracks::new(Arc::clone(&metrics));
        let key = ("n".to_owned(), "r".to_owned());
        let waiting = || {
            let text = metrics.text().unwrap();
            text.lines().filter(|line| line.contains("restores_waiting{") && line.ends_with(" 1")).count()
        };
        tracks.waits(&key, Some(Waiting::Lock));
        tracks.waits(&key, Some(Waiting::Restore));
        assert_eq!(waiting(), 1);
        tracks.forget(&key);
        assert_eq!(waiting(), 0);
    }
}
