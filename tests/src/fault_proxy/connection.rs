//! One connection of a client, request by request, and that to the server which it has for its own.

use super::Shared;
use super::ending::{self, Client};
use super::head::Head;
use super::post::Sending;
use super::server::Server;
use super::stop::{End, Then, Where};
use std::io::{Error, ErrorKind};
use std::pin::pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const LEADER: &str = "/v1/sys/leader";
const WRAP: &str = "/v1/sys/wrapping/wrap";

pub(super) async fn serve(shared: &Shared, stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let is_for_a_post = shared.expects_a_post();
    if is_for_a_post {
        for point in [Where::Connect, Where::Tls] {
            if point == Where::Tls {
                stream.readable().await?;
            }
            let end = shared.at(point).await;
            if end != End::GoOn {
                return Ok(ending::refuse(stream, end).await?);
            }
        }
    }
    let mut client = BufReader::new(shared.acceptor.accept(stream).await?);
    let mut server = None;
    let end = requests(shared, &mut client, &mut server, is_for_a_post).await;
    ending::end(client, server, end.unwrap_or_else(|error| as_it_came(&error))).await
}

/// The other side gets the same end.
fn as_it_came(error: &anyhow::Error) -> End {
    tracing::debug!(%error, "a connection ended early");
    let kind = error.downcast_ref::<Error>().map(Error::kind);
    if kind == Some(ErrorKind::UnexpectedEof) { End::Close } else { End::Reset }
}

async fn requests(
    shared: &Shared,
    client: &mut Client,
    server: &mut Option<Server>,
    is_for_a_post: bool,
) -> anyhow::Result<End> {
    while let Some(head) = Head::read(client).await? {
        let mut end = shared.at_request(head.path()).await;
        if end == End::GoOn && is_for_a_post && head.asks("GET", LEADER) {
            end = shared.at(Where::Leader).await;
        }
        if end != End::GoOn {
            return Ok(end);
        }
        if server.is_none() {
            *server = Some(shared.target().connect().await?);
        }
        let Some(server) = server else { continue };
        if head.is_download()
            && let Some((after, then)) = shared.order.download()
        {
            return give(client, server, &head, after, then).await;
        }
        let end = exchange(shared, client, server, &head).await?;
        if end != End::GoOn {
            return Ok(end);
        }
    }
    Ok(End::Close)
}

/// Passes one request and its answer on; says how the connection goes on.
async fn exchange(
    shared: &Shared,
    client: &mut Client,
    server: &mut Server,
    head: &Head,
) -> anyhow::Result<End> {
    let mut sending = Sending::of(shared, head);
    let end = sending.at(Where::Head).await;
    if end != End::GoOn {
        return Ok(end);
    }
    let Server { from, to, road } = server;
    to.write_all(&head.bytes).await?;
    let (answer, is_early) = {
        let mut answered = pin!(Head::answer(from));
        tokio::select! {
            // An answer is early only where there is more to send.
            biased;
            end = sending.upload(client, to, *road) => match end? {
                End::GoOn => match sending.finish(to, *road).await? {
                    End::GoOn => (answered.await?, false),
                    end => return Ok(end),
                },
                end => return Ok(end),
            },
            // It may answer before it has read all, and close without ado.
            answer = &mut answered => (answer?, true),
        }
    };
    let Some(answer) = answer else { return Ok(End::Close) };
    if head.asks("POST", WRAP) {
        shared.marker_made().await;
    }
    let end = sending.give(client, &answer).await?;
    if end != End::GoOn {
        return Ok(end);
    }
    answer.body_of_answer(head)?.pass(from, client).await?;
    let is_last = is_early || head.is_last() || answer.is_last();
    Ok(if is_last { End::Close } else { End::GoOn })
}

/// Passes the head on, and the answer as it comes; says how the client's side ends.
async fn give(
    client: &mut Client,
    server: &mut Server,
    head: &Head,
    after: u64,
    then: Then,
) -> anyhow::Result<End> {
    server.to.write_all(&head.closing()).await?;
    tokio::io::copy(&mut (&mut server.from).take(after), client).await?;
    client.flush().await?;
    let end = then.end().await;
    if end != End::GoOn {
        return Ok(end);
    }
    tokio::io::copy(&mut server.from, client).await?;
    Ok(End::Close)
}
