use super::*;
use crate::storage::open;
use crate::testing::{SNAPSHOT, Store, guard};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use std::io::sink;

/// Small enough that the snapshot takes 17 ranges.
const PACE: Pace = Pace { part: 1024, concurrency: 3 };

fn client(store: &Store) -> Arc<dyn ObjectStore> {
    Arc::new(open(&store.target, &store.secrets(), &guard()).unwrap())
}

async fn verified(store: &Store, key: &str) -> Result<(Pinned, Summary), TransferError> {
    verify(client(store), key, PACE, &Progress::default(), sink()).await
}

/// Bug: ranges come out of order, overlap, or the last one is lost.
#[tokio::test]
async fn a_whole_object_is_pinned_and_summed_up() {
    let store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    for (part, concurrency) in [(1024, 3), (100, 64), (16_921, 1), (16_920, 2), (10 << 20, 3)] {
        let (pinned, summary) =
            verify(client(&store), "a.snap", Pace { part, concurrency }, &Progress::default(), sink())
                .await
                .unwrap();
        assert_eq!(pinned.size, 16_921, "ranges of {part} bytes");
        assert_eq!(pinned.sha256, "969f10cf7174550f5b1135f7ddca45ffaa93a742a57d7dd3715188bfe105c7df");
        assert!(pinned.etag.is_some());
        assert_eq!((summary.records, summary.index), (27, 29));
        assert_eq!(summary.newest_version.unwrap().to_string(), "2.7.2");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let mut store = Store::start().await;
    store.put("empty.snap", b"");
    assert!(matches!(verified(&store, "b.snap").await, Err(TransferError::NotFound(key)) if key == "b.snap"));
    assert!(matches!(verified(&store, "empty.snap").await, Err(TransferError::Empty)));
    for key in ["", "a//b", "a/", "../a"] {
        assert!(matches!(verified(&store, key).await, Err(TransferError::Key(_))), "{key:?}");
    }
    store.target.bucket = Some("elsewhere".to_owned());
    assert!(matches!(
        verified(&store, "a.snap").await,
        Err(TransferError::NoBucket | TransferError::NotFound(_))
    ));
}

/// Bug: a store that refuses us is reported as unreachable, and tried for ever.
#[tokio::test]
async fn wrong_credentials_are_told() {
    let store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    store.secret("secretAccessKey", "another");
    let denied = verified(&store, "a.snap").await.unwrap_err();
    assert!(matches!(&denied, TransferError::Denied(code) if code == "SignatureDoesNotMatch"), "{denied}");
    store.secret("accessKeyId", "nobody");
    let denied = verified(&store, "a.snap").await.unwrap_err();
    assert!(matches!(denied, TransferError::Denied(_)), "{denied}");
}

/// Bug: half of one object and half of another pass for a snapshot, or for a damaged one. This store ignores If-Match.
#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_is_told() {
    let store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    let mut other = SNAPSHOT.to_vec();
    other[4] ^= 1;
    let mut parts = 0;
    let progress = Progress::default();
    let read = read(client(&store), "a.snap", Pace { part: 1024, concurrency: 1 }, &progress, |_| {
        parts += 1;
        if parts == 3 {
            store.put("a.snap", &other);
        }
        Ok(())
    });
    assert!(matches!(read.await, Err(TransferError::Replaced)));
    assert_eq!(parts, 3, "nothing of the other object reaches the reader");
}

/// Bug: the ranges do not ask for the `ETag`. This store keeps to If-Match and would answer anything else.
#[tokio::test]
async fn every_range_asks_for_the_same_object() {
    let store = Arc::new(InMemory::new());
    let path = Path::from("a.snap");
    store.put(&path, SNAPSHOT.to_vec().into()).await.unwrap();
    let reader = Reader { store, path };
    let (_, first) = reader.range(0..10, None, Vec::new()).await.unwrap();
    assert_eq!(first, SNAPSHOT[..10]);
    let other = reader.range(10..20, Some("other".to_owned()), Vec::new()).await.err().unwrap();
    assert!(matches!(other, TransferError::Replaced), "{other}");
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused() {
    let store = Store::start().await;
    store.put("cut.snap", &SNAPSHOT[..12_000]);
    let mut flipped = SNAPSHOT.to_vec();
    flipped[9_000] ^= 0x10;
    store.put("flipped.snap", &flipped);
    let cut = verified(&store, "cut.snap").await.unwrap_err();
    assert!(matches!(cut, TransferError::Archive(ArchiveError::Truncated { inside: "state.bin" })), "{cut}");
    let flipped = verified(&store, "flipped.snap").await.unwrap_err();
    assert!(matches!(flipped, TransferError::Archive(_)), "{flipped}");
}

/// Bug: any certificate is taken, or the authority of the Secret is not.
#[tokio::test]
async fn only_an_authority_that_is_known_vouches_for_the_store() {
    let (mut store, authority) = Store::start_tls().await;
    store.put("a.snap", SNAPSHOT);
    let error = verified(&store, "a.snap").await.unwrap_err();
    assert!(matches!(error, TransferError::Untrusted(_)), "{error}");
    store.target.insecure_skip_verify = true;
    assert!(verified(&store, "a.snap").await.is_ok());
    store.target.insecure_skip_verify = false;
    store.secret("caCert", &authority);
    assert!(verified(&store, "a.snap").await.is_ok());
}

/// Bug: a redirect sends signed requests, and whatever answers them, to another place.
#[tokio::test]
async fn redirects_are_not_followed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    let good = store.target.endpoint.take().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    store.target.endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {good}/snapshots/a.snap\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let error = verified(&store, "a.snap").await.unwrap_err();
    assert!(matches!(error, TransferError::Elsewhere(_)), "{error}");
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told() {
    let mut store = Store::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    store.target.endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);
    let error = verified(&store, "a.snap").await.unwrap_err();
    assert!(matches!(&error, TransferError::Store(text) if text.contains("refused")), "{error}");
    assert!(error.is_passing());
}
