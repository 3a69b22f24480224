//! The end of a server while it is at work.

use crate::server::{Server, creation};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Bug: a rollout of the webhook refuses somebody's request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_is_answered_and_readiness_goes_first() {
    let mut server = Server::start().await;
    let (review, client) = (creation("u-1"), server.client());
    let body = review.to_string();
    let mut begun = server.connect_with_tls().await;
    let head = format!("POST /validate HTTP/1.1\r\nhost: webhook\r\ncontent-length: {}\r\n\r\n", body.len());
    begun.write_all(head.as_bytes()).await.unwrap();
    begun.flush().await.unwrap();
    server.terminate();
    let not_ready = async {
        while server.probe("readyz").await.is_none_or(|answer| answer.status() != 503) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(ENDS_WITHIN, not_ready).await.unwrap();
    server.review(&client, &review).await;
    // Nothing that is new is taken any more, which is when the rest of the body comes.
    let closed = async {
        while server.connect("127.0.0.1").await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(ENDS_WITHIN, closed).await.unwrap();
    begun.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(ENDS_WITHIN, begun.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"allowed\":true"), "{answer}");
    let ended = timeout(ENDS_WITHIN, server.process.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}
