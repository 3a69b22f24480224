//! A clone: the snapshot of another OpenBao whose servers have the same key file. Afterwards both have one cluster id, and
//! stand each for itself.

use crate::place::place;
use futures::FutureExt;
use serde_json::{Value, json};
use tests::harness::lane;
use tests::openbao::outside::{Seal, Settings};
use tests::site::{APPLIED, KEPT, LOST, Place, Site, Verdict, all};

/// Backs it up and restores that.
async fn comes_and_goes(site: &Site, name: &str, value: &'static str) {
    site.scenario.write(value).await.unwrap();
    let key = site.place.back_up(&site.name).await.unwrap();
    site.scenario.write(LOST).await.unwrap();
    let restore = site.restore(name, &key, &json!({})).await.unwrap();
    restore.judge(site, &Verdict { value, ..APPLIED }).await;
}

async fn cluster_id(site: &Site) -> Value {
    let health = site.scenario.bao(reqwest::Method::GET, "sys/health", Value::Null).await.unwrap();
    health["cluster_id"].clone()
}

/// Bug: the proof of a clone demands the cluster id of before; or source and clone, of one cluster id, are taken for one
/// OpenBao and hold each other up, or a marker of one proves something of the other.
async fn stands_for_itself(place: &Place, name: &str, is_marked: bool) {
    let seal = Seal::fresh("local").unwrap();
    let source = Site::start(place, &Settings::one(&format!("{name}-source"), seal.clone())).await.unwrap();
    let mut clone = Site::start(place, &Settings::one(&format!("{name}-clone"), seal)).await.unwrap();
    source.is_backed_up().await.unwrap();
    clone.is_backed_up().await.unwrap();
    let key = if is_marked { source.lose_by_backup().await } else { source.lose().await }.unwrap();
    assert_ne!(cluster_id(&source).await, cluster_id(&clone).await);

    let restore = clone.restore(&format!("{name}-made"), &key, &json!({})).await.unwrap();
    clone.scenario.openbao.root_token.clone_from(&source.scenario.openbao.root_token);
    restore.judge(&clone, &APPLIED).await;
    assert_eq!(cluster_id(&source).await, cluster_id(&clone).await);
    assert_eq!(source.value().await.unwrap(), LOST);

    // What is in it lets in who restored the source.
    clone.scenario.grant_all().await.unwrap();
    let names = ["clone", "source"].map(|whose| format!("{name}-{whose}-again"));
    futures::join!(
        comes_and_goes(&clone, &names[0], "of the clone"),
        comes_and_goes(&source, &names[1], "of the source"),
    );
    assert_eq!(clone.value().await.unwrap(), "of the clone");
    assert_eq!(source.value().await.unwrap(), "of the source");
    let restore = source.restore(&format!("{name}-source-first"), &key, &json!({})).await.unwrap();
    restore.judge(&source, &Verdict { value: KEPT, ..APPLIED }).await;
    assert_eq!(clone.value().await.unwrap(), "of the clone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_and_its_source_go_on_each_for_itself() {
    let _lane = lane().await;
    let place = &place().await;
    let rows = [
        stands_for_itself(place, "cloned-by-manifest", true).boxed_local(),
        stands_for_itself(place, "cloned-by-hand", false).boxed_local(),
    ];
    all(rows, 2).await;
}
