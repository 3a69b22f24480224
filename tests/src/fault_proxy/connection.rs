//! One connection, which is one request, byte by byte.

use super::Shared;
use super::head::Head;
use super::road::Road;
use super::stop::{End, Order, Point, Where};
use anyhow::Context;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream as ServerStream;
use tokio_rustls::server::TlsStream as ClientStream;

type Client = BufReader<ClientStream<TcpStream>>;

/// CRC32 and length at the end of a gzip stream.
const CHECKSUM: u64 = 8;
/// Bytes that the kernel takes from a server while nobody reads. Left to itself it takes as many as a whole snapshot has.
const RECEIVES: u32 = 256 * 1024;
/// How long a client may take to see the end: closed before, what it still sends would undo the answer.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn serve(shared: &Shared, stream: TcpStream) -> anyhow::Result<()> {
    if shared.hold_connection().await != End::GoOn {
        stream.set_zero_linger()?;
        return Ok(());
    }
    let mut client = BufReader::new(shared.acceptor.accept(stream).await?);
    let head = Head::read(&mut client).await?;
    let mut stop = Stop(None);
    // A head alone is none yet: nothing of the snapshot has been sent.
    if head.is_snapshot() && !client.fill_buf().await?.is_empty() {
        shared.posts.fetch_add(1, Ordering::SeqCst);
        stop = Stop(shared.take_post());
    }
    let end = match shared.take_download(&head) {
        Some((order, after)) => give(shared, &mut client, &head, order, after).await?,
        None => pass(shared, &mut client, &head, &mut stop).await?,
    };
    match end {
        End::GoOn | End::Cut => {
            client.shutdown().await?;
            let _ = timeout(SEEN_WITHIN, tokio::io::copy(&mut client, &mut tokio::io::sink())).await;
        }
        End::Reset | End::Part => client.get_ref().get_ref().0.set_zero_linger()?,
    }
    Ok(())
}

impl Shared {
    async fn hold_connection(&self) -> End {
        let is_it = match &*self.order() {
            Some(Order { at: Where::Connection(condition), .. }) => condition(),
            _ => return End::GoOn,
        };
        if !is_it.await {
            return End::GoOn;
        }
        let order = self.order().take();
        match order {
            Some(order) => order.hold().await,
            None => End::GoOn,
        }
    }

    fn take_post(&self) -> Option<Order> {
        self.order().take_if(|order| matches!(order.at, Where::Post(_)))
    }

    /// The order, and after how many bytes of the answer.
    fn take_download(&self, head: &Head) -> Option<(Order, u64)> {
        let mut order = self.order();
        match *order {
            Some(Order { at: Where::Download(after), .. }) if head.is_download() => {
                Some((order.take()?, after))
            }
            _ => None,
        }
    }

    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let (host, port) = &self.server;
        let address =
            lookup_host((host.as_str(), *port)).await?.next().context("the server has no address")?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_recv_buffer_size(RECEIVES)?;
        Ok(socket.connect(address).await?)
    }
}

/// What this request is stopped by.
struct Stop(Option<Order>);

impl Stop {
    async fn at(&mut self, point: Point) -> End {
        match self.take(point) {
            Some(order) => order.hold().await,
            None => End::GoOn,
        }
    }

    /// The same, once the server has all that was sent.
    async fn beyond(&mut self, road: Road, point: Point) -> anyhow::Result<End> {
        let Some(order) = self.take(point) else { return Ok(End::GoOn) };
        road.is_empty().await?;
        Ok(order.hold().await)
    }

    fn take(&mut self, point: Point) -> Option<Order> {
        self.0.take_if(|order| matches!(order.at, Where::Post(at) if at == point))
    }
}

/// Passes request and answer on; says how the client's side ends.
async fn pass(shared: &Shared, client: &mut Client, head: &Head, stop: &mut Stop) -> anyhow::Result<End> {
    let end = stop.at(Point::Head).await;
    if end != End::GoOn {
        return Ok(end);
    }
    let server = shared.connect().await?;
    let road = Road::of(&server)?;
    let (mut from, mut to) = split(shared.connector.connect(shared.name.clone(), server).await?);
    let mut answer = Vec::new();
    let end = {
        let mut answered = pin!(from.read_to_end(&mut answer));
        tokio::select! {
            // It may answer before it has read all, and close without ado.
            _ = &mut answered => End::GoOn,
            end = upload(client, (&mut to, road), head, stop) => match end.unwrap_or(End::GoOn) {
                End::GoOn | End::Cut => {
                    let _ = answered.await;
                    End::GoOn
                }
                end => end,
            },
        }
    };
    match end {
        End::Reset => from.unsplit(to).get_ref().0.set_zero_linger()?,
        End::Part => leave(from, to),
        End::GoOn | End::Cut => {
            let end = stop.at(Point::Answer).await;
            if end == End::GoOn {
                client.write_all(&answer).await?;
            }
            return Ok(end);
        }
    }
    Ok(end)
}

/// Passes the head on, and the answer as it comes; says how the client's side ends.
async fn give(
    shared: &Shared,
    client: &mut Client,
    head: &Head,
    order: Order,
    after: u64,
) -> anyhow::Result<End> {
    let mut server = shared.connector.connect(shared.name.clone(), shared.connect().await?).await?;
    server.write_all(&head.bytes).await?;
    tokio::io::copy(&mut (&mut server).take(after), client).await?;
    client.flush().await?;
    let end = order.hold().await;
    if end == End::GoOn {
        tokio::io::copy(&mut server, client).await?;
    }
    Ok(end)
}

/// Keeps the server's side open until the server ends it.
fn leave(mut from: ReadHalf<ServerStream<TcpStream>>, to: WriteHalf<ServerStream<TcpStream>>) {
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
        drop(to);
    });
}

async fn upload(
    client: &mut Client,
    (to, road): (&mut WriteHalf<ServerStream<TcpStream>>, Road),
    head: &Head,
    stop: &mut Stop,
) -> anyhow::Result<End> {
    to.write_all(&head.bytes).await?;
    let (half, last) = (head.length / 2, head.length.saturating_sub(CHECKSUM));
    let mut sent = 0;
    for (upto, point) in [(half, Some(Point::Half)), (last, Some(Point::LastBytes)), (head.length, None)] {
        sent += tokio::io::copy(&mut (&mut *client).take(upto.saturating_sub(sent)), to).await?;
        to.flush().await?;
        let end = match point {
            // The client has ended, and the server is to know.
            _ if sent < upto => End::Cut,
            Some(point) => stop.beyond(road, point).await?,
            None => End::GoOn,
        };
        if end == End::Cut {
            to.shutdown().await?;
        }
        if end != End::GoOn {
            return Ok(end);
        }
    }
    Ok(End::GoOn)
}
