//! The same with the real executor and OpenBao: somebody dies at a write, the restore ends, and OpenBao tells the truth.

use crate::deaths::{Death, Seen, Who, watch};
use crate::support::{cluster, installed};
use api::{OpenBaoRestore, Phase};
use serde_json::json;
use std::sync::OnceLock;
use tests::harness::{lane, sample, some_of};
use tests::line::{Line, Options};
use tests::openbao::outside::{Seal, Settings};
use tests::site::{KEPT, LOST, Place, Restore, Site};

/// A site with a backup of ours: what nobody saw end can be proved by its marker.
async fn backed_up() -> (Site, String) {
    let place = Place::of(cluster(), &cluster().namespace("openbao")).await;
    let line = Line::open(cluster(), &place.namespace, Options::default()).await.unwrap();
    let operator = installed().await.start(&line, &[]).unwrap();
    let site = Site::start(&place, &Settings::one("crash", Seal::fresh("local").unwrap())).await.unwrap();
    let key = site.lose_by_backup().await.unwrap();
    operator.kill();
    (site, key)
}

/// One restore on which somebody dies, or nobody. What it says is what OpenBao has.
async fn told_true(site: &Site, key: &str, name: &str, death: Option<Death>) -> Seen<OpenBaoRestore> {
    let tails = site.tails();
    site.scenario.write(LOST).await.unwrap();
    let made: OnceLock<Restore> = OnceLock::new();
    let begin = async || {
        let restore = site.restore(name, key, &json!({})).await.unwrap();
        assert!(made.set(restore).is_ok());
    };
    let restore = || made.get().unwrap();
    let seen = watch(&site.place.namespace, death, begin, async || restore().ended().await).await;
    let status = seen.end.status.clone().unwrap_or_default();
    let (phase, tails) = (status.phase, site.tails() - tails);
    let what = death.map(|death| format!("{death:?} {}", seen.last_word(death))).unwrap_or_default();
    println!("{name} {what}: {phase:?}, the tail was sent {tails} times");
    assert!(tails <= 1, "{name} {what}");
    let value = if phase == Phase::Completed { KEPT } else { LOST };
    assert_eq!(site.value().await.unwrap(), value, "{name} {what}: {status:?}");
    assert_eq!(restore().lock_holder().await, "", "{name} {what}: the lock");
    let is_operators = death.is_none_or(|death| death.who == Who::Operator);
    assert!(!is_operators || phase == Phase::Completed, "{name} {what}: {status:?}");
    seen
}

/// Bug: the restore is posted twice, or what it says of itself is not what the cluster has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_openbao_is_restored_once_or_not_at_all() {
    let _lane = lane().await;
    let (site, key) = backed_up().await;
    let whole = told_true(&site, &key, "nobody-dies", None).await;
    let all = |who| (0..whole.written(who).len() * 2).map(move |number| Death::nth(who, number));
    let deaths: Vec<Death> = all(Who::Operator).chain(all(Who::Executor)).collect();
    let sample = sample(4, deaths.len());
    for (number, death) in some_of(&deaths, &sample).into_iter().enumerate() {
        told_true(&site, &key, &format!("death-{number}"), Some(death)).await;
    }
}
