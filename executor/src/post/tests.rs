use super::*;
use crate::openbao::{self, Session, answer};
use crate::testing::node;
use std::sync::{LazyLock, Mutex};
use std::time::Instant;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// More than sockets keep, so that a server that stops reading stops the sender, and not a whole number of pieces.
const SIZE: usize = 12 * 1024 * 1024 + 77;

/// What a server does once a POST has come, one after the other.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Reads this many bytes of the body.
    Read(usize),
    Answer(&'static str),
    /// Ends the connection as a process that is killed does.
    Reset,
    /// Neither reads nor answers any more.
    Hold,
}

/// A server that takes one POST, and the bytes of the body that it has read.
async fn server(acts: &'static [Act]) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let body = Arc::new(Mutex::new(Vec::new()));
    let read = Arc::clone(&body);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for act in acts {
            match act {
                Act::Read(bytes) => receive(&mut stream, &read, *bytes).await,
                Act::Answer(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                Act::Reset => return stream.set_zero_linger().unwrap(),
                Act::Hold => std::future::pending().await,
            }
        }
        // The answer may not be read yet.
        receive(&mut stream, &read, usize::MAX).await;
    });
    (address, body)
}

async fn receive(stream: &mut TcpStream, body: &Mutex<Vec<u8>>, until: usize) {
    let mut buffer = vec![0; 64 * 1024];
    let mut head = Vec::new();
    while body.lock().unwrap().len() < until {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) if body.lock().unwrap().is_empty() => {
                head.extend_from_slice(&buffer[..read]);
                if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                    body.lock().unwrap().extend_from_slice(&head[end + 4..]);
                }
            }
            Ok(read) => body.lock().unwrap().extend_from_slice(&buffer[..read]),
        }
    }
}

static SNAPSHOT: LazyLock<(Vec<u8>, Pinned)> = LazyLock::new(|| {
    let pattern: Vec<u8> = (0..=250).collect();
    let mut bytes = pattern.repeat(SIZE / pattern.len() + 1);
    bytes.truncate(SIZE);
    let sha256 = hexadecimal(&Sha256::digest(&bytes));
    let pinned = Pinned { size: SIZE as u64, sha256, etag: None, version: None };
    (bytes, pinned)
});

/// The staged snapshot.
fn staged() -> NamedTempFile {
    let staged = NamedTempFile::new().unwrap();
    std::fs::write(staged.path(), &SNAPSHOT.0).unwrap();
    staged
}

async fn sent(staged: &NamedTempFile, address: &str, claimed: Moment, longest: Duration) -> Sent {
    let session = Session::at(node(address));
    let (file, pinned) = (staged.path().to_owned(), &SNAPSHOT.1);
    let upload = Upload { session: &session, path: openbao::SNAPSHOT, file, pinned, claimed, longest };
    send(upload, &Arc::default()).await
}

/// Sent right after the claim, with time enough.
async fn sent_soon(staged: &NamedTempFile, address: &str) -> Sent {
    sent(staged, address, Moment::now(), Duration::from_mins(1)).await
}

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const TIMED_OUT: &str = "HTTP/1.1 500 X\r\nContent-Length: 109\r\n\r\n{\"errors\":[\"failed to read snapshot file: failed to read or write snapshot data: read tcp a->b: i/o timeout\"]}";
const DENIED: &str = "HTTP/1.1 403 X\r\nContent-Length: 34\r\n\r\n{\"errors\":[\"permission denied\"]}  ";
const BROKEN: &str = "HTTP/1.1 204 No";

/// Bug: what a server may have taken is called refused, or what it cannot have taken is not; every cut, at every place.
#[tokio::test]
async fn each_cut_has_its_outcome() {
    let staged = staged();
    for (acts, outcomes) in [
        (&[Act::Reset][..], &["Nothing", "Unclear"][..]),
        (&[Act::Hold], &["Unclear"]),
        (&[Act::Read(1), Act::Answer(DENIED)], &["Refused"]),
        (&[Act::Read(1 << 20), Act::Reset], &["Unclear"]),
        (&[Act::Read(1 << 20), Act::Hold], &["Unclear"]),
        (&[Act::Read(1 << 20), Act::Answer(TIMED_OUT)], &["Refused"]),
        (&[Act::Read(SIZE), Act::Reset], &["Unclear"]),
        (&[Act::Read(SIZE), Act::Hold], &["Unclear"]),
        (&[Act::Read(SIZE), Act::Answer(BROKEN), Act::Reset], &["Unclear"]),
        (&[Act::Read(SIZE), Act::Answer(OK)], &["Acknowledged"]),
    ] {
        let (address, _) = server(acts).await;
        let held = acts.iter().any(|act| matches!(act, Act::Hold));
        let longest = if held { Duration::from_secs(2) } else { Duration::from_mins(1) };
        let sent = sent(&staged, &address, Moment::now(), longest).await;
        let told = format!("{sent:?}");
        assert!(outcomes.iter().any(|outcome| told.starts_with(outcome)), "{acts:?}: {told}");
        let timed_out = acts.iter().any(|act| matches!(act, Act::Answer(TIMED_OUT)));
        assert_eq!(sent.was_cut(), timed_out, "{acts:?}");
    }
}

/// Bug: bytes are lost, doubled or out of order.
#[tokio::test]
async fn every_byte_is_sent_once() {
    let (address, body) = server(&[Act::Read(SIZE), Act::Answer(OK)]).await;
    assert_eq!(sent_soon(&staged(), &address).await, Sent::Acknowledged);
    assert!(*body.lock().unwrap() == SNAPSHOT.0);
}

/// Bug: a server that cannot be reached counts as one that may have restored.
#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let staged = staged();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let sent = sent_soon(&staged, &format!("http://{nobody}")).await;
    assert!(matches!(sent, Sent::Nothing(_)), "{sent:?}");
    let (address, body) = server(&[Act::Read(SIZE)]).await;
    std::fs::remove_file(staged.path()).unwrap();
    assert!(matches!(sent_soon(&staged, &address).await, Sent::Nothing(_)));
    assert!(body.lock().unwrap().is_empty());
}

/// Bug: a pod that was frozen after its claim sends what the operator has given up, or one that cannot get through
/// waits for longer than it may.
#[tokio::test]
async fn the_first_byte_is_sent_soon_after_the_claim_or_never() {
    let (staged, longest) = (staged(), Duration::from_mins(1));
    let (nothing, late) = (Duration::ZERO, FIRST_BYTE + Duration::from_secs(1));
    for claimed in [Moment::ago(late, late), Moment::ago(nothing, late), Moment::ago(late, nothing)] {
        let (address, body) = server(&[Act::Read(SIZE), Act::Answer(OK)]).await;
        let sent = sent(&staged, &address, claimed, longest).await;
        assert!(matches!(sent, Sent::Nothing(_)), "{sent:?}");
        assert!(body.lock().unwrap().is_empty());
    }
    // The handshake of TLS is never answered.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let claimed = Moment::ago(FIRST_BYTE.saturating_sub(Duration::from_millis(500)), nothing);
    let begun = Instant::now();
    let sent = sent(&staged, &address, claimed, longest).await;
    assert!(matches!(sent, Sent::Nothing(_)), "{sent:?}");
    assert!(begun.elapsed() < FIRST_BYTE, "{:?}", begun.elapsed());
}

/// Bug: bytes that nobody checked reach the server, since the staging volume changed; or so many of them that it accepts.
#[tokio::test]
async fn what_is_not_what_was_checked_is_never_whole() {
    let staged = staged();
    for at in [0, SIZE / 2, SIZE - 1] {
        let mut bent = SNAPSHOT.0.clone();
        bent[at] ^= 1;
        std::fs::write(staged.path(), bent).unwrap();
        let (address, body) = server(&[Act::Read(SIZE), Act::Answer(OK)]).await;
        let sent = sent_soon(&staged, &address).await;
        assert!(matches!(&sent, Sent::Unclear(fault) if fault.contains("held back")), "{sent:?}");
        assert!(body.lock().unwrap().len() <= SIZE - PIECE);
    }
    std::fs::write(staged.path(), &SNAPSHOT.0[1..]).unwrap();
    let (address, _) = server(&[Act::Read(SIZE), Act::Answer(OK)]).await;
    assert!(matches!(sent_soon(&staged, &address).await, Sent::Unclear(_)), "it is shorter than it was");
}

/// Bug: an answer that can come after a restore began counts as a refusal, and the lock is released.
#[test]
fn only_known_refusals_are_refusals() {
    let say = |status, text: &str| classify(&answer(status, text));
    assert_eq!(say(204, ""), Sent::Acknowledged);
    let cut = r#"{"errors":["1 error occurred:\n\t* failed to read snapshot file: failed to read or write snapshot data: unexpected EOF\n\n"]}"#;
    for (status, text) in [
        (500, cut),
        (500, r#"{"errors":["failed to decompress snapshot: EOF"]}"#),
        (400, "could not verify hash file, possibly the snapshot is using a different set of unseal keys"),
        (403, r#"{"errors":["permission denied"]}"#),
        (403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#),
    ] {
        assert!(matches!(say(status, text), Sent::Refused(_)), "{status} {text}");
    }
    for (status, text) in [
        (200, ""),
        (307, ""),
        (403, "<html>"),
        (500, "internal error"),
        (500, "permission denied"),
        (503, "Vault is sealed"),
        (502, cut),
        (504, ""),
    ] {
        assert!(matches!(say(status, text), Sent::Unclear(_)), "{status} {text}");
    }
}

/// Bug: what is on its way is not stopped once the outcome was told.
#[test]
fn the_gate_knows_whether_anything_passed() {
    let gate = Gate::new(Moment::now());
    assert!(gate.pass() && gate.pass());
    assert!(!gate.shut_unused(), "something was sent");
    assert!(gate.pass(), "the rest may follow");
    assert!(!gate.shut(), "something was sent");
    assert!(!gate.pass(), "it was shut");
    let gate = Gate::new(Moment::now());
    assert!(gate.shut_unused());
    assert!(!gate.pass(), "it was shut");
}
