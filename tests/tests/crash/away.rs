//! The API server is away when the executor claims: it is not known whether the claim is written, so nothing more is sent.

use crate::support::{cluster, installed};
use api::conditions::Reason;
use futures::FutureExt;
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tests::harness::lane;
use tests::line::{Cut, Line, Options, Side, Write};
use tests::openbao::outside::{Seal, Settings};
use tests::site::{NOT_APPLIED, Place, Site, Verdict, all};

/// From the claim to the end of the POST, and of what waits for that in the server.
const RESET_WITHIN: Duration = Duration::from_secs(5);
/// The machine is busy.
const BESIDES: Duration = Duration::from_secs(2);

/// Bug: a POST is held open for as long as the API server is away, and with it every request to OpenBao once somebody
/// seals it or tells it to step down; or its tail is sent without a claim.
async fn is_reset(of_claim: Side, is_silent: bool) {
    let how = if is_silent { "silent" } else { "broken" };
    let name = format!("{how}-{of_claim:?}").to_lowercase();
    let place = Place::of(cluster(), &cluster().namespace("away")).await;
    let line = |cut, pods| Line::open(cluster(), &place.namespace, Options { cut, is_silent, pods });
    let pods = line(Some(Cut { at: Write::Claim, side: of_claim }), None).await.unwrap();
    let operators = line(None, Some(pods.address())).await.unwrap();
    let _operator = installed().await.start(&operators, &[]).unwrap();
    let mut site = Site::start(&place, &Settings::one(&name, Seal::fresh("local").unwrap())).await.unwrap();
    let key = site.lose().await.unwrap();
    let restore = site.restore(&name, &key, &json!({})).await.unwrap();
    pods.is_cut().await;
    let cut = Instant::now();
    let is_sealed = of_claim == Side::Before && is_silent;
    let path = if is_sealed { "sys/seal" } else { "sys/step-down" };
    let answered = site.scenario.bao(Method::PUT, path, json!({})).await;
    let took = cut.elapsed();
    assert!(answered.is_ok() && took < RESET_WITHIN + BESIDES, "{name}: {path} {answered:?} after {took:?}");
    println!("{name}: {path} was answered after {took:?}");
    let over = async || site.proxies[0].seen().first().and_then(|post| post.over);
    let took = place.eventually("the end of the POST", over).await.saturating_duration_since(cut);
    assert!(took < RESET_WITHIN + BESIDES, "{name}: the POST was held for {took:?}");
    println!("{name}: reset after {took:?}");
    if is_sealed {
        site.outside.nodes[0].kill().await;
        site.outside.nodes[0].start().await.unwrap();
    }
    // By its pod's own report, or by a ticket that was never claimed.
    let reason = if of_claim == Side::Before { Reason::JobFailed } else { Reason::TicketLost };
    restore.judge(&site, &Verdict { reason, ..NOT_APPLIED }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_not_answered_ends_the_post() {
    let _lane = lane().await;
    let rows = [(Side::Before, false), (Side::After, false), (Side::Before, true), (Side::After, true)];
    all(rows.map(|(of_claim, is_silent)| is_reset(of_claim, is_silent).boxed_local()), 4).await;
}
