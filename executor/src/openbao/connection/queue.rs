//! How much of what was written to a connection its peer has not acknowledged. The kernel is asked by its table of
//! connections: the call that says the same (`SIOCOUTQ`) has no safe wrapper.

use procfs::ProcError;
use procfs::net::{tcp, tcp6};
use std::io;
use std::net::SocketAddr;

/// Bytes that the kernel was given for this connection and that the peer has not acknowledged.
pub(super) fn unacknowledged(local: SocketAddr, peer: SocketAddr) -> io::Result<u64> {
    let table = if local.is_ipv4() { tcp() } else { tcp6() };
    let table = table.map_err(|error| match error {
        ProcError::Io(error, _) => error,
        other => io::Error::other(other.to_string()),
    })?;
    let entry = table
        .into_iter()
        .find(|entry| is_same(entry.local_address, local) && is_same(entry.remote_address, peer));
    let gone = || io::Error::new(io::ErrorKind::NotConnected, "the kernel does not list the connection");
    entry.map(|entry| u64::from(entry.tx_queue)).ok_or_else(gone)
}

/// The table has no zones of addresses.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip(), one.port()) == (other.ip(), other.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    /// More than a small window takes, and less than a sender keeps.
    const BYTES: usize = 256 * 1024;

    async fn pair(host: &str) -> (TcpStream, TcpStream) {
        let address = SocketAddr::new(host.parse().unwrap(), 0);
        let listener = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
        listener.set_recv_buffer_size(4096).unwrap();
        listener.bind(address).unwrap();
        let listener: TcpListener = listener.listen(1).unwrap();
        let dialled = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(dialled), listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }

    /// Bug: what lies in the own kernel is taken for acknowledged, the connection of somebody else is asked about, or one
    /// that is gone counts as empty.
    #[tokio::test]
    async fn what_the_window_keeps_back_is_counted_until_the_peer_reads() {
        for host in ["127.0.0.1", "::1"] {
            let ((mut ours, mut theirs), _other) = tokio::join!(pair(host), pair(host));
            let (local, peer) = (ours.local_addr().unwrap(), ours.peer_addr().unwrap());
            assert_eq!(unacknowledged(local, peer).unwrap(), 0, "{host}");
            ours.write_all(&vec![0; BYTES]).await.unwrap();
            let waiting = unacknowledged(local, peer).unwrap();
            assert!(waiting > 0 && waiting <= BYTES as u64, "{host}: {waiting}");
            theirs.read_exact(&mut vec![0; BYTES]).await.unwrap();
            while unacknowledged(local, peer).unwrap() > 0 {
                tokio::task::yield_now().await;
            }
            ours.set_zero_linger().unwrap();
            drop(ours);
            let gone = unacknowledged(local, peer).unwrap_err();
            assert_eq!(gone.kind(), io::ErrorKind::NotConnected, "{host}");
        }
    }
}
