//! What is seen of a request from outside until nothing more can be learned.

use crate::table::End;
use api::{OpenBaoRestore, Phase};
use std::time::{Duration, Instant};
use tests::harness::is_soak;
use tests::site::{Restore, condition};

const LOOK_EVERY: Duration = Duration::from_millis(400);
/// Two minutes until nothing can be on its way, half a minute between two looks, and Jobs for it.
const SETTLES_WITHIN: Duration = Duration::from_mins(6);
/// How long a doubt is looked at that nothing can end; a soak waits until nothing can be on its way, and it is asked again.
const DOUBT: Duration = Duration::from_secs(20);
const DOUBT_OF_A_SOAK: Duration = Duration::from_mins(4);

/// A request over its time.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) end: End,
    pub(crate) object: OpenBaoRestore,
    /// When it was in doubt for the first time.
    pub(crate) doubted: Option<Instant>,
    /// When it had ended and the lock was free.
    pub(crate) freed: Option<Instant>,
}

impl Seen {
    pub(crate) fn message(&self) -> &str {
        self.object.status.as_ref().and_then(|status| status.message.as_deref()).unwrap_or_default()
    }
}

/// Looks until it has ended and the lock is free; or until a doubt has lasted for long, which is less where it may last.
pub(crate) async fn watch(restore: &Restore, may_last: impl AsyncFn() -> bool) -> Seen {
    let (begun, mut doubted) = (Instant::now(), None);
    let mut patience = DOUBT;
    loop {
        let object = restore.stored().await;
        let is_in_doubt =
            condition(&object, "Applied").0 == "Unknown" && condition(&object, "Stalled").0 == "True";
        if is_in_doubt && doubted.is_none() {
            doubted = Some(Instant::now());
        }
        is_consistent(&object, &restore.name);
        let end = match object.status.as_ref().map(|status| status.phase) {
            Some(Phase::Completed) => Some(End::Completed),
            Some(Phase::Failed) => Some(End::NotApplied),
            _ => None,
        };
        if let Some(end) = end.filter(|_| object.metadata.finalizers.is_none()) {
            assert_eq!(restore.lock_holder().await, "", "{}: the lock is free", restore.name);
            return Seen { end, object, doubted, freed: Some(Instant::now()) };
        }
        let lasts = doubted.is_some_and(|since: Instant| since.elapsed() > patience);
        if lasts && patience == DOUBT {
            patience = match (may_last().await, is_soak()) {
                (true, false) => Duration::ZERO,
                (true, true) => DOUBT_OF_A_SOAK,
                (false, _) => SETTLES_WITHIN,
            };
            continue;
        }
        if lasts {
            let holder = restore.lock_holder().await;
            assert!(holder.contains(&format!("/restore/{}/", restore.name)), "{}: {holder:?}", restore.name);
            return Seen { end: End::Doubt, object, doubted, freed: None };
        }
        assert!(
            begun.elapsed() < 2 * SETTLES_WITHIN,
            "{} neither ends nor is in doubt: {object:?}",
            restore.name
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What holds at any moment.
fn is_consistent(object: &OpenBaoRestore, name: &str) {
    let of = |kind| condition(object, kind).0;
    assert!(of("Reconciling") != "True" || of("Stalled") != "True", "{name} is both: {object:?}");
    match object.status.as_ref().map(|status| status.phase) {
        Some(Phase::Completed) => assert_eq!(of("Applied"), "True", "{name}: {object:?}"),
        Some(Phase::Failed) => {
            assert!(["False", ""].contains(&of("Applied")), "{name}: {object:?}");
            assert_eq!(of("Stalled"), "True", "{name}: {object:?}");
        }
        _ => assert_ne!(of("Finished"), "True", "{name}: {object:?}"),
    }
}
