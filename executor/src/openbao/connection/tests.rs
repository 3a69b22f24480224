use super::*;
use crate::openbao::Cluster;
use crate::testing::{Bao, Tls, guard, node};
use api::task::Servers;
use futures::future::join;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpListener;

const LEADS: &str = r#"{"is_self":true,"leader_address":"x","active_time":"2030-01-01T00:00:00Z"}"#;

fn leads(head: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n{LEADS}", LEADS.len())
}

/// Answers each request that comes over one connection; nobody else gets one.
async fn one_connection(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut head = [0; 1024];
        while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

fn begin(connection: Connection) -> Exchange {
    let request = connection.request(Method::POST, LEADER).body(Empty::new().map_err(Into::into).boxed());
    connection.send(request)
}

/// Bug: the next question goes over another connection, perhaps to another server.
#[tokio::test]
async fn all_questions_go_over_one_connection() {
    let mut connection = node(&one_connection(leads("")).await).connect().await.unwrap();
    for _ in 0..8 {
        assert!(connection.leadership().await.unwrap().is_self);
    }
    // Who ends the connection after its answer is asked nothing more.
    let mut connection = node(&one_connection(leads("Connection: close\r\n")).await).connect().await.unwrap();
    connection.leadership().await.unwrap_err();
    let nobody = "HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nno".to_owned();
    let mut connection = node(&one_connection(nobody).await).connect().await.unwrap();
    assert_eq!(connection.leadership().await.unwrap_err(), "503 no");
}

/// Bug: a server is believed whose certificate nobody trusts or is for another name, or HTTP/2 is spoken, whose cuts nobody
/// has seen.
#[tokio::test]
async fn tls_is_for_the_name_by_the_authority_and_for_http_1() {
    let bao = Bao::start(1).await;
    let (tls, other) =
        join(Tls::before(&bao.addresses[0], "bao.example"), Tls::before(&bao.addresses[0], "127.0.0.1"))
            .await;
    let connect = async |to: &Tls, name: Option<&str>, trusted: &Tls| {
        let (addresses, tls_server_name) = (vec![to.address.clone()], name.map(ToOwned::to_owned));
        let servers = Servers { addresses, replicas: 1, tls_server_name };
        let cluster = Cluster::open(&servers, trusted.folder.path(), &guard()).unwrap();
        let mut connection = cluster.node(0).unwrap().connect().await?;
        connection.leadership().await
    };
    assert!(connect(&tls, Some("bao.example"), &tls).await.unwrap().is_self);
    assert!(connect(&other, None, &other).await.unwrap().is_self);
    let http = Some(b"http/1.1".to_vec());
    assert_eq!(*tls.greetings.lock().unwrap(), [(Some("bao.example".to_owned()), http.clone())]);
    assert_eq!(*other.greetings.lock().unwrap(), [(None, http)]);
    for (name, trusted) in [(Some("other.example"), &tls), (None, &tls), (Some("bao.example"), &other)] {
        let fault = connect(&tls, name, trusted).await.unwrap_err();
        assert!(fault.contains("certificate"), "{fault}");
    }
}

/// Bug: a server that takes a connection and says nothing holds the restore for ever.
#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tls = Tls::before(&address, "127.0.0.1").await;
    let servers =
        Servers { addresses: vec![format!("https://{address}")], replicas: 1, tls_server_name: None };
    let cluster = Cluster::open(&servers, tls.folder.path(), &guard()).unwrap();
    let silent = node(&format!("http://{address}"));
    let begun = Instant::now();
    let answers = async { silent.connect().await.unwrap().leadership().await.unwrap_err() };
    let (greeted, answered) = join(cluster.node(0).unwrap().connect(), answers).await;
    assert!(greeted.err().unwrap().contains("TLS"));
    assert!(answered.contains("in time"), "{answered}");
    assert!(begun.elapsed() < ANSWER + CONNECT, "{:?}", begun.elapsed());
}

/// Bug: an answer whose text comes late or never is not seen before something is sent that cannot be taken back.
#[tokio::test]
async fn an_answer_that_has_begun_is_waited_for() {
    let begun = "HTTP/1.1 413 X\r\nContent-Length: 8\r\n\r\n<html>".to_owned();
    let connection = node(&one_connection(begun).await).connect().await.unwrap();
    let (exchange, since) = (begin(connection), Instant::now());
    let mut unknown = Duration::ZERO;
    let heard = loop {
        match exchange.heard_by_now().await {
            Some(heard) => break heard.unwrap(),
            None => unknown = since.elapsed(),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(heard.fault(), "413 <html>");
    assert!(unknown < ANSWER / 2, "{unknown:?}");
}

/// A peer that answers, and then takes nothing more: what it sent is still there, and can only be read once the first write
/// has failed.
struct Torn {
    answer: &'static [u8],
    failed: bool,
    reader: Option<Waker>,
}

impl AsyncRead for Torn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.failed {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        buffer.put_slice(std::mem::take(&mut self.answer));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Torn {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        self.failed = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Bug: a server that refuses a snapshot before it has read it, and leaves, is told as a connection that broke.
#[tokio::test]
async fn an_answer_is_read_although_nothing_can_be_written_any_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let heard = async |answer: &'static str| {
        let torn = Torn { answer: answer.as_bytes(), failed: false, reader: None };
        begin(Connection::through(torn, &stream).await).heard().await
    };
    let answer = heard("HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(answer.unwrap().status, 413);
    let silence = heard("").await;
    assert!(matches!(&silence, Err(Silence::Broke(fault)) if fault.contains("broken pipe")), "{silence:?}");
}
