//! The executor stands still between its claim and its POST, and while the POST is on its way.

use crate::restore::{APPLIED, NOT_APPLIED, Verdict};
use crate::rows::all;
use crate::site::{KEPT, Site, cluster, eventually};
use futures::FutureExt;
use serde_json::json;
use std::time::{Duration, Instant};
use tests::fault_proxy::Point;
use tests::harness::lane;
use tests::openbao::outside::{Seal, Settings};

/// Longest time from the claim to the first byte.
const FIRST_BYTE: Duration = Duration::from_secs(10);

const NOTHING_SENT: Verdict = Verdict { posts: 0, ..NOT_APPLIED };

async fn site(client: &kube::Client, name: &str) -> Site {
    Site::start(client, &Settings::one(name, Seal::fresh("local").unwrap())).await
}

/// Bug: a pod that was thought dead sends the snapshot minutes after its claim.
async fn between_claim_and_post(client: &kube::Client, name: &str, wakes: bool) {
    let site = site(client, name).await;
    let key = site.lose().await;
    let restore = site.restore(name, &key, &json!({})).await;
    let stopped = site.proxies[0].stop_connection(restore.is_claimed());
    let held = restore.held(stopped).await;
    let claimed = Instant::now();
    restore.freeze().await;
    held.go_on();
    eventually("the time to begin is over", async || (claimed.elapsed() > FIRST_BYTE).then_some(())).await;
    restore.is_undecided().await;
    if wakes {
        restore.fault("thaw").await;
    } else {
        restore.kill().await;
    }
    restore.judge(&site, &NOTHING_SENT).await;
}

/// Bug: a silent pod counts as one that did nothing, while its snapshot is restored.
async fn while_the_post_is_on_its_way(client: &kube::Client, name: &str) {
    let site = site(client, name).await;
    let key = site.lose().await;
    let stopped = site.proxies[0].stop_at(Point::Head);
    let restore = site.restore(name, &key, &json!({})).await;
    let held = restore.held(stopped).await;
    restore.freeze().await;
    held.go_on();
    eventually("the snapshot is restored", async || (site.value().await == KEPT).then_some(())).await;
    restore.is_undecided().await;
    restore.fault("thaw").await;
    restore.judge(&site, &APPLIED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_that_stands_still_is_never_judged_too_early() {
    let _lane = lane().await;
    let client = &cluster().client().await;
    let rows = [
        between_claim_and_post(client, "frozen-then-thawed", true).boxed_local(),
        between_claim_and_post(client, "frozen-then-killed", false).boxed_local(),
        while_the_post_is_on_its_way(client, "frozen-while-posting").boxed_local(),
    ];
    all(rows, 3).await;
}
