//! More connections than there is room for, from those who want nothing.

use crate::server::{Server, creation};
use futures::StreamExt;
use futures::future::join;
use futures::stream::iter;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::Client;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tests::harness::sample;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

/// Reviews beside the flood, at least, and how many of them come in a second until it is over.
const REVIEWS: usize = 400;
const IN_A_SECOND: u64 = 50;
/// What an API server waits for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
const PEAK_KIB: u64 = 40 * 1024;
/// Connections that are being made at once.
const AT_ONCE: usize = 64;

/// The head of a TLS record that says that a `ClientHello` of 512 bytes follows.
const HELLO: [u8; 5] = [22, 3, 1, 2, 0];

/// Opens them from the API server's address and from another, and keeps whatever becomes of them.
async fn flood(server: &Server, count: usize, first_bytes: &[u8]) -> Vec<TcpStream> {
    let one = async |number: usize| {
        let from = ["127.0.0.1", "127.0.0.2"][number % 2];
        let mut stream = server.connect(from).await.unwrap();
        // The server may be rid of it by now.
        let _ = stream.write_all(first_bytes).await;
        stream
    };
    iter(0..count).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// Until the flood is over. Every tenth on a connection of its own, the rest on those that are kept.
async fn reviews(server: &Arc<Server>, over: &CancellationToken) -> usize {
    let (kept, mut pace) = (server.client(), interval(Duration::from_millis(1000 / IN_A_SECOND)));
    let mut under_way = JoinSet::new();
    while under_way.len() < REVIEWS || !over.is_cancelled() {
        pace.tick().await;
        let number = under_way.len();
        let client = if number % 10 == 0 { server.client() } else { kept.clone() };
        under_way.spawn(is_answered(Arc::clone(server), client, format!("u-{number}")));
    }
    under_way.join_all().await.len()
}

async fn is_answered(server: Arc<Server>, client: Client, uid: String) {
    let answer = timeout(ANSWERED_WITHIN, server.review(&client, &creation(&uid))).await.unwrap();
    let response = &answer["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!(uid), &json!(true)));
}

/// Bug: a client that connects and says nothing, or not all, takes memory or the place of an API server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_are_answered_in_a_flood_of_connections() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let (server, over) = (Arc::new(Server::start().await), CancellationToken::new());
    let (half_open, stalled) = (sample(1000, 10_000).count, sample(200, 2000).count);
    let before = server.peak_memory();
    let floods = async {
        let floods = join(flood(&server, half_open, &[]), flood(&server, stalled, &HELLO)).await;
        over.cancel();
        floods
    };
    let ((half_open, stalled), answered) = join(floods, reviews(&server, &over)).await;
    let (evicted, peak) = (evicted(&server.metrics().await), server.peak_memory());
    println!(
        "{} half-open, {} stalled, {evicted} sent away; {answered} reviews answered; {before} KiB before, {peak} at most",
        half_open.len(),
        stalled.len()
    );
    assert!(evicted > half_open.len() / 2, "there was more than there is room for");
    assert!(peak < PEAK_KIB, "{peak} KiB");
}

fn evicted(metrics: &str) -> usize {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("openbao_recovery_webhook_connections_evicted_total "));
    line.unwrap().parse().unwrap()
}
