//! Clients that send too much, too slowly, or something else.

use crate::server::{Server, creation};
use futures::future::join_all;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Every deadline of the server that is reached here is 5 s.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// Sends all of it, and reads until the server closes.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, sent: &[u8]) -> String {
    // It may answer before it has read everything.
    let _ = stream.write_all(sent).await;
    let mut answer = Vec::new();
    // A reset is an end as well; what came before it counts.
    let read = timeout(ENDS_WITHIN, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open after {:?}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(fields: &str, body: &str) -> Vec<u8> {
    format!("POST /validate HTTP/1.1\r\nhost: webhook\r\nconnection: close\r\n{fields}\r\n{body}")
        .into_bytes()
}

/// Bug: a client without manners is waited for without end, or takes memory without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_or_too_slow_ends_with_a_word_where_there_is_one() {
    let server = Server::start().await;
    let (review, long) = (creation("u-1").to_string(), "x".repeat(20_000));
    let length = |length: usize| format!("content-length: {length}\r\n");
    let rows: [(&str, Vec<u8>, &str); 8] = [
        ("whole", post(&length(review.len()), &review), "HTTP/1.1 200"),
        ("silent after the handshake", vec![], ""),
        ("half a head", b"POST /validate HTTP/1.1\r\nhost: web".to_vec(), ""),
        ("a long head", post(&format!("x: {long}\r\n"), ""), "HTTP/1.1 431"),
        ("a long body", post(&length(8 << 20), &long), "HTTP/1.1 413"),
        ("a slow body", post(&length(2 * review.len()), &review), "HTTP/1.1 408"),
        ("no HTTP", b"\x16\x03\x01\x02\x00 garbage\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (
            "another path",
            b"GET / HTTP/1.1\r\nhost: webhook\r\nconnection: close\r\n\r\n".to_vec(),
            "HTTP/1.1 404",
        ),
    ];
    join_all(rows.iter().map(async |(name, sent, expected)| {
        let got = answer(server.connect_with_tls().await, sent).await;
        assert!(got.starts_with(expected) && got.is_empty() == expected.is_empty(), "{name}: {got:?}");
    }))
    .await;
    for (name, sent) in
        [("no TLS", post(&length(review.len()), &review)), ("half a hello", vec![22, 3, 1, 2, 0])]
    {
        let got = answer(server.connect("127.0.0.1").await.unwrap(), &sent).await;
        assert!(!got.contains("HTTP"), "{name}: {got:?}");
    }
}
