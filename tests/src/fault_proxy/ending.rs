//! How both sides of a connection see its end.

use super::server::Server;
use super::stop::End;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, sink};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// How long a side may take to see the end: closed before, what it still sends would undo what it was told.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// Measured: what OpenBao says of an archive that was cut.
const REFUSAL: &str = r#"{"errors":["1 error occurred:\n\t* failed to read snapshot file: failed to read or write snapshot data: unexpected EOF\n\n"]}"#;

pub(super) type Client = BufReader<TlsStream<TcpStream>>;

/// Before there is TLS.
pub(super) async fn refuse(mut stream: TcpStream, end: End) -> std::io::Result<()> {
    match end {
        End::Close => {
            stream.shutdown().await?;
            drain(&mut stream).await;
            Ok(())
        }
        _ => stream.set_zero_linger(),
    }
}

pub(super) async fn end(mut client: Client, server: Option<Server>, end: End) -> anyhow::Result<()> {
    match end {
        End::GoOn | End::Close => {
            let (_, _) = tokio::join!(close(&mut client), async {
                match server {
                    Some(server) => close(&mut server.stream()).await,
                    None => Ok(()),
                }
            });
        }
        End::Reset => {
            client.get_ref().get_ref().0.set_zero_linger()?;
            reset(server)?;
        }
        End::Part => {
            client.get_ref().get_ref().0.set_zero_linger()?;
            drop(client);
            tokio::spawn(leave(server));
        }
        End::Says(status) => {
            reset(server)?;
            say(&mut client, &page(status)).await?;
        }
        End::Refuses => {
            reset(server)?;
            say(&mut client, &answer("500 Internal Server Error", "application/json", "", REFUSAL)).await?;
        }
    }
    Ok(())
}

async fn say(client: &mut Client, answer: &str) -> std::io::Result<()> {
    client.write_all(answer.as_bytes()).await?;
    close(client).await
}

/// What a proxy says, as some do: a page for humans.
fn page(status: u16) -> String {
    let page = format!("<html><body><h1>{status}</h1><hr>the proxy of a test</body></html>\n");
    let location = if status == 307 { "location: https://127.0.0.1:1/elsewhere\r\n" } else { "" };
    answer(&format!("{status} Said"), "text/html", location, &page)
}

fn answer(status: &str, kind: &str, more: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn close(side: &mut (impl AsyncReadExt + AsyncWrite + Unpin)) -> std::io::Result<()> {
    side.shutdown().await?;
    drain(side).await;
    Ok(())
}

async fn drain(from: &mut (impl AsyncReadExt + Unpin)) {
    let _ = timeout(SEEN_WITHIN, tokio::io::copy(from, &mut sink())).await;
}

fn reset(server: Option<Server>) -> std::io::Result<()> {
    server.map_or(Ok(()), |server| server.stream().get_ref().0.set_zero_linger())
}

/// Keeps the server's side open until the server ends it.
async fn leave(server: Option<Server>) {
    if let Some(mut server) = server {
        let _ = tokio::io::copy(&mut server.from, &mut sink()).await;
    }
}
