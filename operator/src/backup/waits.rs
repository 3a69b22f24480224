//! What the backups of each cluster wait for, as a metric and a line in the log. Nothing is decided by it.

use crate::metrics::Metrics;
use plan::backup::Waiting;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct Waits {
    by_cluster: Mutex<HashMap<(String, String), Waiting>>,
    metrics: Arc<Metrics>,
}

impl Waits {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { by_cluster: Mutex::default(), metrics }
    }

    /// Notes what those of a cluster wait for now; nothing, also when it is gone.
    pub(super) fn note(&self, namespace: &str, cluster: &str, now: Option<Waiting>) {
        let key = (namespace.to_owned(), cluster.to_owned());
        let mut all = self.by_cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match now {
            Some(now) => all.insert(key, now),
            None => all.remove(&key),
        };
        drop(all);
        let reason = |waiting: Option<Waiting>| waiting.map(Waiting::reason);
        self.metrics.backups_waiting.moves(reason(before), reason(now));
        if let Some(now) = now.filter(|now| before != Some(*now)) {
            tracing::info!(namespace, cluster, reason = now.reason().as_str(), "backups wait");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: a cluster is counted twice, or still counted when nothing is waited for any more.
    #[test]
    fn each_cluster_is_counted_where_it_waits_now() {
        let metrics = Arc::new(Metrics::new());
        let waits = Waits::new(Arc::clone(&metrics));
        let counted = || {
            let text = metrics.text().unwrap();
            let lines =
                text.lines().filter(|line| line.contains("backups_waiting{") && !line.ends_with(" 0"));
            lines.map(|line| line.split_once('{').unwrap().1.to_owned()).collect::<Vec<_>>()
        };
        waits.note("n", "c", Some(Waiting::Leftover));
        waits.note("n", "c", Some(Waiting::Lock));
        waits.note("n", "c", Some(Waiting::Lock));
        assert_eq!(counted(), ["reason=\"LockHeldByOther\"} 1"]);
        waits.note("n", "c", None);
        assert_eq!(counted(), Vec::<String>::new());
    }
}
