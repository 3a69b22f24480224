//! Cases of one server that are not a break by itself: a quota, a server that takes its time, a listener that does not.

use crate::place::place;
use api::conditions::Reason;
use futures::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::fault_proxy::{How, Times, Where};
use tests::harness::lane;
use tests::openbao::outside::{Seal, Settings};
use tests::site::{APPLIED, NOT_APPLIED, Place, Restore, Site, Verdict, all};

/// From the request to its end, where a quota refuses the POST.
const A_MINUTE: Duration = Duration::from_mins(1);
/// From the break to the end, on a machine with other things to do.
const AT_ONCE: Duration = Duration::from_secs(15);

async fn site(place: &Place, settings: &Settings) -> (Site, String) {
    let site = Site::start(place, settings).await.unwrap();
    site.scenario.fill(1).await.unwrap();
    let key = site.lose().await.unwrap();
    (site, key)
}

fn one(name: &str) -> Settings {
    Settings::one(name, Seal::fresh("local").unwrap())
}

/// What is told of an end, and when after `since`.
async fn told(restore: &Restore, site: &Site, expected: &Verdict, since: Instant) -> (String, Duration) {
    restore.ended().await;
    let took = since.elapsed();
    let object = restore.judge(site, expected).await;
    (object.status.unwrap_or_default().message.unwrap_or_default(), took)
}

/// Bug: a quota's 429 leaves a restore in doubt that never was sent, for as long as it takes to give up.
async fn a_quota_is_named(place: &Place) {
    let (site, key) = site(place, &one("quota")).await;
    let quota = json!({"path": "sys/storage/raft/snapshot", "rate": 1, "interval": "2h"});
    site.scenario.bao(Method::POST, "sys/quotas/rate-limit/snap", quota).await.unwrap();
    let since = Instant::now();
    let restore = site.restore("quota-refuses", &key, &json!({})).await.unwrap();
    let expected = Verdict { reason: Reason::QuotaExceeded, ..NOT_APPLIED };
    let (message, took) = told(&restore, &site, &expected, since).await;
    assert!(message.contains("quota") && message.contains("sys/storage/raft/snapshot"), "{message}");
    assert!(took < A_MINUTE, "{took:?}");
    site.scenario.bao(Method::DELETE, "sys/quotas/rate-limit/snap", json!({})).await.unwrap();
    site.restore("quota-gone", &key, &json!({})).await.unwrap().judge(&site, &APPLIED).await;
}

/// Bug: where a quota is for everything, the servers "have no leader".
async fn a_quota_for_everything_is_waited_out(place: &Place) {
    let settings = Settings { replicas: 3, ..one("quota-of-three") };
    let site = Site::start(place, &settings).await.unwrap();
    site.outside.wait_for_voters().await.unwrap();
    site.scenario.fill(1).await.unwrap();
    site.is_backed_up().await.unwrap();
    site.scenario.write(tests::site::KEPT).await.unwrap();
    let quota = json!({"rate": 2, "interval": "1s"});
    site.scenario.bao(Method::POST, "sys/quotas/rate-limit/all", quota).await.unwrap();
    let key = site.back_up().await.unwrap();
    let written = async || site.scenario.write(tests::site::LOST).await.ok();
    place.eventually("the quota lets a write through", written).await;
    let restore = site.restore("quota-of-three", &key, &json!({})).await.unwrap();
    restore.judge(&site, &APPLIED).await;
}

/// Bug: a backup of an older release, whose manifest names no marker, cannot be proved, or not be restored.
async fn an_older_backup_is_proved_by_its_acknowledgement(place: &Place) {
    let site = Site::start(place, &one("older-backup")).await.unwrap();
    let key = site.lose_by_backup().await.unwrap();
    let manifest = format!("{key}.json");
    let mut older: Value = serde_json::from_slice(&site.scenario.object(&manifest).await.unwrap()).unwrap();
    assert!(older.as_object_mut().unwrap().remove("marker").is_some());
    site.scenario.put(&manifest, older.to_string().into_bytes()).await.unwrap();
    site.restore("older-backup", &key, &json!({})).await.unwrap().judge(&site, &APPLIED).await;
}

/// Bug: a server that takes nothing for a while is given up, or its restore is sent twice.
async fn a_server_that_takes_its_time_is_waited_for(place: &Place) {
    let (site, key) = site(place, &one("takes-its-time")).await;
    site.proxies[0].break_at(Where::Half, How::Stall(Duration::from_secs(20)), Times::Once);
    let restore = site.restore("takes-its-time", &key, &json!({})).await.unwrap();
    restore.judge(&site, &APPLIED).await;
}

/// Bug: a POST that the listener cuts is sent again and again, to be cut each time; or it is not said what to set.
async fn a_listener_that_cuts_is_named(place: &Place) {
    let (site, key) = site(place, &Settings { read_timeout: "10s", ..one("listener") }).await;
    site.proxies[0].break_at(Where::Half, How::Stall(Duration::from_secs(15)), Times::Always);
    let restore = site.restore("listener-cuts", &key, &json!({})).await.unwrap();
    let expected = Verdict { reason: Reason::ReadTimeout, ..NOT_APPLIED };
    let (message, _) = told(&restore, &site, &expected, Instant::now()).await;
    assert!(message.contains("http_read_timeout"), "{message}");
    let seen = site.proxies[0].seen();
    let took = seen[0].over.map(|over| over.elapsed());
    assert!(seen.len() == 1 && took.is_some_and(|took| took < AT_ONCE), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_does_by_itself_is_told_as_what_it_is() {
    let _lane = lane().await;
    let place = &place().await;
    let rows = [
        a_quota_is_named(place).boxed_local(),
        a_quota_for_everything_is_waited_out(place).boxed_local(),
        an_older_backup_is_proved_by_its_acknowledgement(place).boxed_local(),
        a_server_that_takes_its_time_is_waited_for(place).boxed_local(),
        a_listener_that_cuts_is_named(place).boxed_local(),
    ];
    all(rows, 5).await;
}
