//! A server of one POST, which does what it should or something else.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How a connection ended; none: in order.
pub(super) type End = Option<ErrorKind>;

/// What it does with the POST, one after the other; then it reads to the end.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Waits for the first byte.
    Wait,
    /// Reads the head, and so many bytes of the body in all.
    Read(u64),
    /// Sees for so long that nothing more comes, and says so.
    Idle(Duration),
    Answer(String),
    /// Reads nothing more until it is told to go on.
    Pause,
    /// Ends the connection as a process that is killed does.
    Reset,
    /// Ends it as a process that has nothing more to say.
    Close,
    /// Ends it with what it has not read: a reset where there is any, behind what it has written.
    Leave,
    /// Neither reads nor answers any more.
    Hold,
}

/// Bytes that the kernel takes before they are read.
const WINDOW: u32 = 256 * 1024;
/// Longest time that something takes which has to happen at once.
const SOON: Duration = Duration::from_secs(5);

/// The whole text of an answer.
pub(super) fn answer(status: u16, text: &str) -> String {
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", text.len()) };
    format!("HTTP/1.1 {status} X\r\n{length}\r\n{text}")
}

pub(super) struct Server {
    pub(super) address: String,
    /// Lets it go on, or says that it does.
    pub(super) go: Arc<Notify>,
    body: Arc<Mutex<Vec<u8>>>,
    end: JoinHandle<End>,
}

impl Server {
    pub(super) fn start(acts: Vec<Act>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // It would grow with what is read, to as much as is sent.
        socket.set_recv_buffer_size(WINDOW).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (go, body) = (Arc::<Notify>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (told, seen) = (Arc::clone(&go), Arc::clone(&body));
        let end = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            act(stream, acts, &told, &seen).await
        });
        Self { address, go, body, end }
    }

    /// How the connection ended, which it has to soon, and the bytes of the body that came.
    pub(super) async fn end(self) -> (End, Vec<u8>) {
        let end = timeout(SOON, self.end).await.expect("the connection does not end").unwrap();
        let body = self.body.lock().unwrap().clone();
        (end, body)
    }
}

async fn act(mut stream: TcpStream, acts: Vec<Act>, go: &Notify, body: &Mutex<Vec<u8>>) -> End {
    let mut head = Vec::new();
    for act in acts {
        match act {
            Act::Wait => assert_eq!(stream.peek(&mut [0]).await.unwrap(), 1),
            Act::Read(bytes) => {
                if let Err(end) = receive(&mut stream, &mut head, body, bytes).await {
                    return end;
                }
            }
            Act::Idle(time) => {
                let more = receive(&mut stream, &mut head, body, u64::MAX);
                assert!(timeout(time, more).await.is_err(), "the connection ended");
                go.notify_one();
            }
            Act::Answer(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Act::Pause => go.notified().await,
            Act::Reset => {
                stream.set_zero_linger().unwrap();
                return None;
            }
            Act::Close => stream.shutdown().await.unwrap(),
            Act::Leave => return None,
            Act::Hold => std::future::pending().await,
        }
    }
    // An answer may not be read yet.
    receive(&mut stream, &mut head, body, u64::MAX).await.err().flatten()
}

/// Reads until the body has so many bytes; an error: the connection ended before.
async fn receive(
    stream: &mut TcpStream,
    head: &mut Vec<u8>,
    body: &Mutex<Vec<u8>>,
    until: u64,
) -> Result<(), End> {
    const END: &[u8] = b"\r\n\r\n";
    let mut buffer = vec![0; 64 * 1024];
    let has = |head: &[u8]| head.ends_with(END) && body.lock().unwrap().len() as u64 >= until;
    while !has(head) {
        let read = match stream.read(&mut buffer).await {
            Ok(0) => return Err(None),
            Ok(read) => &buffer[..read],
            Err(error) => return Err(Some(error.kind())),
        };
        if head.ends_with(END) {
            body.lock().unwrap().extend_from_slice(read);
            continue;
        }
        head.extend_from_slice(read);
        if let Some(at) = head.windows(END.len()).position(|window| window == END) {
            body.lock().unwrap().extend(head.drain(at + END.len()..));
        }
    }
    Ok(())
}
