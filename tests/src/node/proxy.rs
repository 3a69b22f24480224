//! Forwards bytes from the address of a Service to one of its pods, in place of a kube-proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::services::Routes;

/// Open listeners by address.
pub(super) struct Proxies {
    open: BTreeMap<SocketAddr, Proxy>,
    stop: CancellationToken,
}

struct Proxy {
    backends: watch::Sender<Vec<SocketAddr>>,
    /// Closes the listener; connections that are open go on.
    _listening: DropGuard,
}

impl Proxies {
    /// Connections end at `stop`.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { open: BTreeMap::new(), stop }
    }

    /// Listens where `routes` says, and nowhere else: an address without a pod refuses.
    pub(super) async fn follow(&mut self, routes: &Routes) {
        self.open.retain(|address, _| routes.contains_key(address));
        for (address, backends) in routes {
            if let Some(proxy) = self.open.get(address) {
                proxy.backends.send_if_modified(|held| {
                    let changed = held != backends;
                    held.clone_from(backends);
                    changed
                });
                continue;
            }
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    let proxy = self.listen(listener, backends.clone());
                    self.open.insert(*address, proxy);
                }
                Err(error) => tracing::warn!(%address, %error, "a Service cannot be served; tried again"),
            }
        }
    }

    fn listen(&self, listener: TcpListener, backends: Vec<SocketAddr>) -> Proxy {
        let (sender, receiver) = watch::channel(backends);
        let listening = self.stop.child_token();
        let guard = listening.clone().drop_guard();
        let stop = self.stop.clone();
        tokio::spawn(async move {
            listening.run_until_cancelled(serve(listener, receiver, stop)).await;
        });
        Proxy { backends: sender, _listening: guard }
    }
}

async fn serve(listener: TcpListener, backends: watch::Receiver<Vec<SocketAddr>>, stop: CancellationToken) {
    let mut turn = 0_usize;
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        turn = turn.wrapping_add(1);
        let backend = {
            let backends = backends.borrow();
            backends.get(turn % backends.len().max(1)).copied()
        };
        let Some(backend) = backend else { continue };
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(forward(client, backend)).await });
    }
}

async fn forward(mut client: TcpStream, backend: SocketAddr) {
    // Dropping the client's connection is the answer of a pod that does not listen.
    let Ok(mut pod) = TcpStream::connect(backend).await else { return };
    copy_bidirectional(&mut client, &mut pod).await.ok();
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A backend that says its name and closes.
    async fn backend(name: u8) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(&[name]).await.unwrap();
            }
        });
        address
    }

    async fn ask(address: SocketAddr) -> u8 {
        TcpStream::connect(address).await.unwrap().read_u8().await.unwrap()
    }

    #[tokio::test]
    async fn backends_take_turns_and_a_service_without_one_refuses() {
        let (first, second) = (backend(1).await, backend(2).await);
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut proxies = Proxies::new(CancellationToken::new());
        proxies.follow(&Routes::from([(address, vec![first, second])])).await;
        let mut answers = [ask(address).await, ask(address).await];
        answers.sort_unstable();
        assert_eq!(answers, [1, 2]);
        proxies.follow(&Routes::new()).await;
        let refused = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), refused).await.unwrap();
    }
}
