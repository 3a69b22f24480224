//! Whether a server on this machine has read all that was sent to it. What it has not, a reset takes away again.

use anyhow::Context;
use procfs::net::TcpNetEntry;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

/// It reads while it can; a machine that builds beside it makes it wait for its turn.
const READ_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(5);

/// Both ends of a connection within this machine.
#[derive(Clone, Copy)]
pub(super) struct Road {
    here: SocketAddr,
    there: SocketAddr,
}

impl Road {
    pub(super) fn of(stream: &TcpStream) -> std::io::Result<Self> {
        Ok(Self { here: stream.local_addr()?, there: stream.peer_addr()? })
    }

    /// Waits until nothing is on its way, nor in the server's kernel.
    pub(super) async fn is_empty(self) -> anyhow::Result<()> {
        let empty = async {
            let mut poll = interval(POLL);
            while self.waiting()? > 0 {
                poll.tick().await;
            }
            Ok(())
        };
        timeout(READ_WITHIN, empty).await.context("the server does not read what was sent to it")?
    }

    /// Bytes that the server has not read.
    fn waiting(self) -> anyhow::Result<u64> {
        let sockets = procfs::net::tcp()?;
        let find = |here, there| {
            let is_it =
                |socket: &&TcpNetEntry| (socket.local_address, socket.remote_address) == (here, there);
            sockets.iter().find(is_it).context("the connection to the server is gone")
        };
        let (ours, theirs) = (find(self.here, self.there)?, find(self.there, self.here)?);
        Ok(u64::from(ours.tx_queue) + u64::from(theirs.rx_queue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_road_is_empty_only_once_the_other_end_has_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        let road = Road::of(&ours).unwrap();
        road.is_empty().await.unwrap();
        ours.write_all(b"last bytes").await.unwrap();
        theirs.readable().await.unwrap();
        assert_eq!(road.waiting().unwrap(), 10);
        theirs.read_exact(&mut [0; 10]).await.unwrap();
        road.is_empty().await.unwrap();
    }
}
