//! Rows of the table side by side, each lane with an OpenBao of its own.

use crate::place::cluster;
use crate::play::{Delay, READ_TIMEOUT, play};
use crate::table::{Kind, Row};
use futures::FutureExt;
use futures::future::join_all;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::openbao::outside::{Outside, Seal, Settings};
use tests::site::{KEPT, Place, Site};

/// One of 700 KB: more than the kernels on the way take while a POST stands still in its middle.
const BALLAST: usize = 1;
/// From the break to the end of what was not applied: at most, and in the middle of all. It is 5 s where nothing else runs.
const NOT_APPLIED_WITHIN: [Duration; 2] = [Duration::from_secs(40), Duration::from_secs(7)];
/// From the break to the word that it is in doubt. It is 15 s where nothing else runs.
const TOLD_WITHIN: [Duration; 2] = [Duration::from_secs(40), Duration::from_secs(15)];

/// Servers with both kinds of snapshot to restore.
pub(crate) struct Bench {
    pub(crate) site: Site,
    pub(crate) keys: Keys,
}

/// Keys in the store.
pub(crate) struct Keys {
    marked: String,
    bare: String,
}

impl Keys {
    pub(crate) fn of(&self, kind: Kind) -> &str {
        match kind {
            Kind::Marked => &self.marked,
            Kind::Bare => &self.bare,
        }
    }
}

/// All that lanes have in common.
pub(crate) struct Lanes {
    place: Place,
    elsewhere: Outside,
    opened: AtomicUsize,
    delays: Mutex<Vec<(Delay, Duration)>>,
    failed: Mutex<Vec<String>>,
}

impl Lanes {
    pub(crate) async fn open(place: Place) -> Self {
        let settings = Settings::one("elsewhere", Seal::fresh("local").unwrap());
        let elsewhere = Outside::start(cluster(), &settings).await.unwrap();
        Self {
            place,
            elsewhere,
            opened: AtomicUsize::new(0),
            delays: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// Plays all rows to their end, so many at once.
    pub(crate) async fn play(&self, rows: Vec<Row>, at_once: usize) {
        let count = at_once.min(rows.len());
        let rows = Mutex::new(VecDeque::from(rows));
        join_all((0..count).map(|_| self.lane(&rows))).await;
    }

    async fn lane(&self, rows: &Mutex<VecDeque<Row>>) {
        let mut bench: Option<Bench> = None;
        loop {
            let Some(row) = rows.lock().unwrap().pop_front() else { return };
            let mut played = match bench.take() {
                Some(bench) if bench.site.proxies.len() == row.event.replicas() => bench,
                _ => self.bench(row.event.replicas()).await,
            };
            match AssertUnwindSafe(play(&row, &mut played, &self.elsewhere)).catch_unwind().await {
                Ok(delay) => self.delays.lock().unwrap().extend(delay),
                Err(_) => self.failed.lock().unwrap().push(row.to_string()),
            }
            let failed = self.failed.lock().unwrap().contains(&row.to_string());
            bench = Some(played).filter(|_| row.event.leaves_them() && !failed);
        }
    }

    /// Servers, a snapshot of ours and one by hand.
    async fn bench(&self, replicas: usize) -> Bench {
        let name = format!("proof-{}", self.opened.fetch_add(1, Ordering::Relaxed));
        let one = Settings::one(&name, Seal::fresh("local").unwrap());
        let site = Site::start(&self.place, &Settings { replicas, read_timeout: READ_TIMEOUT, ..one })
            .await
            .unwrap();
        if replicas > 1 {
            site.outside.wait_for_voters().await.unwrap();
        }
        site.scenario.fill(BALLAST).await.unwrap();
        let bare = site.lose().await.unwrap();
        let marked = site.lose_by_backup().await.unwrap();
        assert_eq!(
            site.value().await.unwrap(),
            tests::site::LOST,
            "{name}: {KEPT} is in the snapshots alone"
        );
        Bench { site, keys: Keys { marked, bare } }
    }

    /// No row failed, no snapshot went to who was not meant, and nothing took too long.
    pub(crate) fn close(self) {
        let failed = self.failed.into_inner().unwrap();
        assert!(failed.is_empty(), "these failed, as told above: {failed:#?}");
        assert!(!self.elsewhere.nodes[0].log().unwrap().contains("restored user snapshot"), "elsewhere");
        let delays = self.delays.into_inner().unwrap();
        for (delay, [most, middle]) in [(Delay::NotApplied, NOT_APPLIED_WITHIN), (Delay::Told, TOLD_WITHIN)] {
            let mut took: Vec<Duration> =
                delays.iter().filter(|(kind, _)| *kind == delay).map(|(_, took)| *took).collect();
            took.sort_unstable();
            if took.is_empty() {
                continue;
            }
            let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
            println!("{delay:?}: {} rows, median {median:?}, longest {longest:?}", took.len());
            assert!(median <= middle && longest <= most, "{delay:?}: {took:?}");
        }
    }
}
