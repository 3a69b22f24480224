//! The executor stands still between its claim and the tail, and while the server restores.

use crate::place::place;
use futures::FutureExt;
use serde_json::json;
use std::time::{Duration, Instant};
use tests::fault_proxy::Where;
use tests::harness::lane;
use tests::openbao::outside::{Seal, Settings};
use tests::site::{APPLIED, KEPT, NOT_APPLIED, Place, Site, all};

/// Longest time from the claim to the tail.
const TAIL_WITHIN: Duration = Duration::from_secs(10);
/// Asked by the executor once it has claimed, before it sends the tail.
const LOOKUP: &str = "/v1/sys/wrapping/lookup";

async fn site(place: &Place, name: &str) -> (Site, String) {
    let site = Site::start(place, &Settings::one(name, Seal::fresh("local").unwrap())).await.unwrap();
    let key = site.lose_by_backup().await.unwrap();
    (site, key)
}

/// Bug: a pod that was thought dead sends the tail minutes after its claim.
async fn between_claim_and_tail(place: &Place, name: &str, wakes: bool) {
    let (site, key) = site(place, name).await;
    let restore = site.restore(name, &key, &json!({})).await.unwrap();
    let stopped = site.proxies[0].stop_request(LOOKUP, restore.is_claimed());
    let held = restore.held(stopped).await;
    let claimed = Instant::now();
    restore.freeze().await;
    held.go_on();
    let over = async || (claimed.elapsed() > TAIL_WITHIN).then_some(());
    place.eventually("the time for the tail is over", over).await;
    restore.is_undecided().await;
    if wakes {
        restore.fault("thaw").await;
    } else {
        restore.kill().await;
    }
    restore.judge(&site, &NOT_APPLIED).await;
}

/// Bug: a silent pod counts as one that did nothing, while its snapshot is restored.
async fn while_the_server_restores(place: &Place, name: &str) {
    let (site, key) = site(place, name).await;
    let stopped = site.proxies[0].stop_at(Where::Tail);
    let restore = site.restore(name, &key, &json!({})).await.unwrap();
    let held = restore.held(stopped).await;
    restore.freeze().await;
    held.go_on();
    let restored = async || (site.value().await.unwrap() == KEPT).then_some(());
    place.eventually("the snapshot is restored", restored).await;
    restore.is_undecided().await;
    restore.fault("thaw").await;
    restore.judge(&site, &APPLIED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_that_stands_still_is_never_judged_too_early() {
    let _lane = lane().await;
    let place = &place().await;
    let rows = [
        between_claim_and_tail(place, "frozen-then-thawed", true).boxed_local(),
        between_claim_and_tail(place, "frozen-then-killed", false).boxed_local(),
        while_the_server_restores(place, "frozen-while-restoring").boxed_local(),
    ];
    all(rows, 3).await;
}
