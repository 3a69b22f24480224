//! A proxy before one OpenBao server. It counts what must happen at most once, the POST of a snapshot, and can stop one,
//! or a GET, at a point of its way until the test says how it goes on.

mod connection;
mod head;
mod road;
mod stop;

pub use stop::{Condition, Held, Point, Stopped};

use crate::control_plane::LIFETIME;
use crate::object_store::acceptor;
use crate::openbao::OpenBao;
use anyhow::Context;
use certs::issue;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stop::Order;
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A proxy that runs until this value or its runtime ends; connections go on until they end.
#[derive(Debug)]
pub struct FaultProxy {
    /// URL of it.
    pub address: String,
    /// PEM of the CA of its certificate.
    pub authority: String,
    shared: Arc<Shared>,
    _listening: DropGuard,
}

/// What its connections have in common.
struct Shared {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    /// Host and port of the server.
    server: (String, u16),
    name: ServerName<'static>,
    posts: AtomicUsize,
    order: Mutex<Option<Order>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("server", &self.server)
            .field("posts", &self.posts)
            .finish_non_exhaustive()
    }
}

impl FaultProxy {
    /// Starts one before the server at the address of `openbao`.
    ///
    /// # Errors
    /// When it cannot listen, or the certificates cannot be made or read.
    pub async fn start(openbao: &OpenBao) -> anyhow::Result<Self> {
        let now = Timestamp::now();
        let authority = issue::authority("proxy", now, LIFETIME)?;
        let leaf = issue::leaf(&authority, &["127.0.0.1".to_owned()], now, LIFETIME)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("tls.crt"), &leaf.certificate)?;
        std::fs::write(folder.path().join("tls.key"), &leaf.key)?;

        let url = reqwest::Url::parse(&openbao.address)?;
        let host = url.host_str().context("no host")?.to_owned();
        let shared = Arc::new(Shared {
            acceptor: acceptor(folder.path())?,
            connector: connector(openbao)?,
            name: ServerName::try_from(host.clone())?,
            server: (host, url.port_or_known_default().context("no port")?),
            posts: AtomicUsize::new(0),
            order: Mutex::new(None),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("https://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, Arc::clone(&shared))));
        Ok(Self { address, authority: authority.certificate, shared, _listening: stop.drop_guard() })
    }

    /// How many snapshots were posted so far: of how many at least the first byte came.
    #[must_use]
    pub fn posts(&self) -> usize {
        self.shared.posts.load(Ordering::SeqCst)
    }

    /// Stops the next POST of a snapshot at `point`.
    #[must_use]
    pub fn stop_at(&self, point: Point) -> Stopped {
        self.order(stop::Where::Post(point))
    }

    /// Stops the next GET of a snapshot once the client has been given so many bytes of the answer. The server has given
    /// no more than its kernel keeps beyond that: 4 MiB.
    #[must_use]
    pub fn stop_download(&self, after: u64) -> Stopped {
        self.order(stop::Where::Download(after))
    }

    /// Stops the next connection that comes while `condition` holds, before a byte of it is read.
    #[must_use]
    pub fn stop_connection(&self, condition: Condition) -> Stopped {
        self.order(stop::Where::Connection(condition))
    }

    fn order(&self, at: stop::Where) -> Stopped {
        let (order, stopped) = stop::order(at);
        *self.shared.order() = Some(order);
        stopped
    }
}

impl Shared {
    fn order(&self) -> std::sync::MutexGuard<'_, Option<Order>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if let Err(error) = connection::serve(&shared, stream).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

fn connector(openbao: &OpenBao) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(&openbao.authority)? {
        roots.add(authority?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
