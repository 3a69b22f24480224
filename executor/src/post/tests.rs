mod breaks;
mod server;

use super::body::PIECE;
use super::*;
use crate::openbao::{Cluster, Node, SNAPSHOT};
use crate::testing::{Tls, guard, node};
use api::names::hexadecimal;
use api::task::Servers;
use server::{Act, Server, answer};
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::sync::LazyLock;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// Neither a whole number of pieces, nor more than sockets keep.
const SIZE: u64 = 1024 * 1024 + 77;
/// As OpenBao's are.
const TAIL: u64 = 3093;
const BEFORE: u64 = SIZE - TAIL;
/// Longer than any of these takes.
const LONG: Duration = Duration::from_mins(1);

static SNAPSHOTS: LazyLock<[Snapshot; 2]> = LazyLock::new(|| [SIZE, 12 * SIZE].map(Snapshot::of));

/// What is sent.
struct Snapshot {
    bytes: Vec<u8>,
    pinned: Pinned,
    staged: NamedTempFile,
}

impl Snapshot {
    fn of(size: u64) -> Self {
        let pattern = (0..=250).cycle();
        let bytes: Vec<u8> = pattern.take(usize::try_from(size).unwrap()).collect();
        let pinned = Pinned { size, sha256: hexadecimal(&Sha256::digest(&bytes)), etag: None, version: None };
        let staged = NamedTempFile::new().unwrap();
        std::fs::write(staged.path(), &bytes).unwrap();
        Self { bytes, pinned, staged }
    }

    fn small() -> &'static Self {
        &SNAPSHOTS[0]
    }

    /// More than sockets keep, so that a server that stops reading stops the sender.
    fn large() -> &'static Self {
        &SNAPSHOTS[1]
    }

    async fn post(&self, address: &str) -> Posting {
        let progress = Arc::default();
        self.post_of(address, self.pinned.size - TAIL, &progress).await
    }

    async fn post_of(&self, address: &str, tail: u64, progress: &Arc<Progress>) -> Posting {
        self.post_to(node(address), tail, progress).await
    }

    async fn post_to(&self, node: Node, tail: u64, progress: &Arc<Progress>) -> Posting {
        let connection = node.connect().await.unwrap();
        self.post_over(connection, tail, progress)
    }

    fn post_over(&self, connection: Connection, tail: u64, progress: &Arc<Progress>) -> Posting {
        let (file, pinned) = (self.staged.path().to_owned(), &self.pinned);
        let upload = Upload { token: "s.t", cluster_id: "ours", path: SNAPSHOT, file, pinned, tail };
        connection.post(upload, progress)
    }
}

/// Bug: bytes are lost, doubled or out of order, or nobody sees how far the POST is.
#[tokio::test]
async fn every_byte_is_sent_once() {
    for (snapshot, tail) in [
        (Snapshot::small(), BEFORE),
        (Snapshot::small(), 1),
        (Snapshot::small(), SIZE - 1),
        (Snapshot::small(), PIECE as u64),
        (Snapshot::large(), 12 * SIZE - TAIL),
    ] {
        let size = snapshot.pinned.size;
        let server = Server::start(vec![Act::Read(size), Act::Answer(answer(204, ""))]);
        let progress = Arc::default();
        let mut posting = snapshot.post_of(&server.address, tail, &progress).await;
        posting.ready().await.unwrap();
        assert_eq!(progress.text(), Some(format!("{tail}/{size}")));
        assert_eq!(posting.finish(Moment::now(), LONG).await.0, Sent::Acknowledged);
        assert_eq!(progress.text(), Some(format!("{size}/{size}")));
        assert!(server.end().await.1 == snapshot.bytes, "{size} bytes with a tail at {tail}");
    }
}

/// Bug: what TLS keeps back is never seen to arrive, or is taken for arrived.
#[tokio::test]
async fn the_same_over_tls() {
    let snapshot = Snapshot::small();
    let acts = vec![Act::Read(BEFORE), Act::Idle(LOOK), Act::Read(SIZE), Act::Answer(answer(204, ""))];
    let server = Server::start(acts);
    let tls = Tls::before(&server.address, "bao.example").await;
    let servers = Servers {
        addresses: vec![tls.address],
        replicas: 1,
        tls_server_name: Some("bao.example".to_owned()),
    };
    let cluster = Cluster::open(&servers, tls.folder.path(), &guard()).unwrap();
    let mut posting = snapshot.post_to(cluster.node(0).unwrap().clone(), BEFORE, &Arc::default()).await;
    posting.ready().await.unwrap();
    server.go.notified().await;
    assert_eq!(posting.finish(Moment::now(), LONG).await.0, Sent::Acknowledged);
    assert!(server.end().await.1 == snapshot.bytes);
}

/// Bug: the tail, or a part of it, goes out before the claim; or the server hears late that it will not come.
#[tokio::test]
async fn nothing_of_the_tail_is_sent_until_it_is_released() {
    let ways: [fn(Posting); 2] = [Posting::reset, drop];
    for way in ways {
        let server = Server::start(vec![Act::Read(BEFORE), Act::Idle(Duration::from_millis(1200))]);
        let mut posting = Snapshot::small().post(&server.address).await;
        posting.ready().await.unwrap();
        tokio::select! {
            ended = posting.ended() => panic!("{ended:?}"),
            () = server.go.notified() => {}
        }
        way(posting);
        let (end, body) = server.end().await;
        assert_eq!(end, Some(ErrorKind::ConnectionReset));
        assert!(
            body == Snapshot::small().bytes[..body.len()] && body.len() as u64 == BEFORE,
            "{}",
            body.len()
        );
    }
}

/// Bug: a pod that was frozen after its claim sends what the operator has given up.
#[tokio::test]
async fn the_tail_is_sent_soon_after_the_claim_or_never() {
    let (nothing, late) = (Duration::ZERO, TAIL_WITHIN + Duration::from_secs(1));
    for claimed in [Moment::ago(late, late), Moment::ago(nothing, late), Moment::ago(late, nothing)] {
        let server = Server::start(vec![Act::Read(BEFORE)]);
        let mut posting = Snapshot::small().post(&server.address).await;
        posting.ready().await.unwrap();
        let sent = posting.finish(claimed, LONG).await.0;
        assert!(matches!(&sent, Sent::Nothing(fault) if fault.contains("since the claim")), "{sent:?}");
        let (end, body) = server.end().await;
        assert_eq!((end, body.len() as u64), (Some(ErrorKind::ConnectionReset), BEFORE));
    }
}

/// Bug: a tail that nobody has seen to be right is sent by who does not wait for it.
#[tokio::test]
async fn a_tail_that_is_not_ready_is_not_sent() {
    let server = Server::start(vec![Act::Read(BEFORE)]);
    let posting = Snapshot::small().post(&server.address).await;
    assert!(matches!(posting.finish(Moment::now(), LONG).await.0, Sent::Nothing(_)));
    assert!(server.end().await.1.len() as u64 <= BEFORE);
}

/// Bug: bytes that nobody checked make a whole snapshot, since the staging volume changed.
#[tokio::test]
async fn of_what_is_not_what_was_checked_there_is_no_tail() {
    let good = &Snapshot::small().bytes;
    let bent = |at: u64| {
        let mut bent = good.clone();
        bent[usize::try_from(at).unwrap()] ^= 1;
        bent
    };
    let changes = [0, SIZE / 2, BEFORE - 1, BEFORE, SIZE - 1].map(|at| Some(bent(at)));
    for change in changes.into_iter().chain([Some(good[1..].to_vec()), None]) {
        let snapshot = Snapshot::of(SIZE);
        match &change {
            Some(bytes) => std::fs::write(snapshot.staged.path(), bytes).unwrap(),
            None => std::fs::remove_file(snapshot.staged.path()).unwrap(),
        }
        let server = Server::start(vec![Act::Read(BEFORE)]);
        let mut posting = snapshot.post(&server.address).await;
        let ended = posting.ready().await.unwrap_err();
        assert!(matches!(&ended, Ended::Unready(fault) if fault.contains("staged")), "{ended:?}");
        let sent = posting.finish(Moment::now(), LONG).await.0;
        assert!(matches!(sent, Sent::Nothing(_)), "{sent:?}");
        assert!(server.end().await.1.len() as u64 <= BEFORE);
    }
}

/// Bug: a Task whose tail is nowhere, or is everything, has the whole snapshot sent before its claim.
#[tokio::test]
async fn without_a_tail_nothing_is_sent() {
    for tail in [0, SIZE, SIZE + 1] {
        let server = Server::start(Vec::new());
        let mut posting = Snapshot::small().post_of(&server.address, tail, &Arc::default()).await;
        let ended = posting.ready().await.unwrap_err();
        assert!(matches!(ended, Ended::Unready(_)), "{ended:?}");
        posting.reset();
        assert!(server.end().await.1.is_empty());
    }
}

/// Bug: what HTTP or TLS still has is taken for acknowledged, since the kernel has nothing of it.
#[tokio::test]
async fn ready_is_what_has_left_this_process() {
    // Less than HTTP keeps, and more than the way takes.
    let snapshot = Snapshot::of(100 * 1024);
    let tail = snapshot.pinned.size - TAIL;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let idle = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let (connection, progress) = (Connection::through(ours, &idle).await, Arc::<Progress>::default());
    let mut posting = snapshot.post_over(connection, tail, &progress);
    let given = Some(format!("{tail}/{}", snapshot.pinned.size));
    let too_early = async {
        while progress.text() != given {
            sleep(LOOK).await;
        }
        // Time for some looks at the kernel.
        sleep(20 * LOOK).await;
    };
    tokio::select! {
        biased;
        ready = posting.ready() => panic!("{ready:?}"),
        () = too_early => {}
    }
    let drained = async { while theirs.read(&mut [0; 4096]).await.unwrap() > 0 {} };
    tokio::select! {
        ready = posting.ready() => ready.unwrap(),
        () = drained => panic!("the connection ended"),
    }
}

/// Bug: bytes in the own kernel, or in that of a peer that takes no more, are taken for acknowledged.
#[tokio::test]
async fn ready_is_what_the_peer_has_acknowledged() {
    let snapshot = Snapshot::large();
    let server = Server::start(vec![Act::Read(0), Act::Pause, Act::Read(snapshot.pinned.size - TAIL)]);
    let mut posting = snapshot.post(&server.address).await;
    // As much as sockets keep is on its way.
    let full = async {
        while posting.exchange.wire().unacknowledged().await.unwrap() == 0 {
            sleep(LOOK).await;
        }
    };
    timeout(LONG, full).await.unwrap();
    assert!(timeout(Duration::from_secs(1), posting.ready()).await.is_err());
    server.go.notify_one();
    timeout(LONG, posting.ready()).await.unwrap().unwrap();
    assert_eq!(posting.exchange.wire().unacknowledged().await.unwrap(), 0);
}
