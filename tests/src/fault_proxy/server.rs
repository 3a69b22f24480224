//! The server behind a proxy, and a connection to it.

use super::road::Road;
use crate::openbao::OpenBao;
use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{BufReader, ReadHalf, WriteHalf, split};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes that the kernel takes from a server while nobody reads. Left to itself it takes as many as a whole snapshot has.
const RECEIVES: u32 = 256 * 1024;

/// Where a server is, and whom it is believed.
#[derive(Clone)]
pub(super) struct Target {
    connector: TlsConnector,
    host: String,
    port: u16,
    name: ServerName<'static>,
}

/// One connection to it.
pub(super) struct Server {
    pub(super) from: BufReader<ReadHalf<TlsStream<TcpStream>>>,
    pub(super) to: WriteHalf<TlsStream<TcpStream>>,
    pub(super) road: Road,
}

impl Target {
    pub(super) fn of(openbao: &OpenBao) -> anyhow::Result<Self> {
        let url = reqwest::Url::parse(&openbao.address)?;
        let host = url.host_str().context("no host")?.to_owned();
        Ok(Self {
            connector: connector(openbao)?,
            name: ServerName::try_from(host.clone())?,
            host,
            port: url.port_or_known_default().context("no port")?,
        })
    }

    pub(super) async fn connect(&self) -> anyhow::Result<Server> {
        let found = lookup_host((self.host.as_str(), self.port)).await?.next();
        let address = found.context("the server has no address")?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_recv_buffer_size(RECEIVES)?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let road = Road::of(&stream)?;
        let (from, to) = split(self.connector.connect(self.name.clone(), stream).await?);
        Ok(Server { from: BufReader::new(from), to, road })
    }
}

impl Server {
    pub(super) fn stream(self) -> TlsStream<TcpStream> {
        self.from.into_inner().unsplit(self.to)
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
