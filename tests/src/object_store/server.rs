//! The program `object-store`: S3 over TLS, objects as files, signatures checked.

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// How the store is served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Each folder in it is a bucket.
    pub folder: PathBuf,
    /// Made if it is not there.
    pub bucket: String,
    /// Holds `tls.crt` and `tls.key`.
    pub tls: PathBuf,
    /// Of the one account.
    pub access_key: String,
    /// Of the one account.
    pub secret_key: String,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The folder or the address cannot be used.
    #[error("the object store cannot be served: {0}")]
    Io(#[from] std::io::Error),
    /// The folder is none for objects.
    #[error("the folder cannot hold objects: {0}")]
    Folder(String),
    /// The certificate cannot be read.
    #[error("{}: {source}", path.display())]
    Pem {
        /// Certificate or key.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// Certificate and key do not fit.
    #[error("certificate and key cannot be served: {0}")]
    Tls(#[from] rustls::Error),
}

/// Serves until the process ends.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    std::fs::create_dir_all(settings.folder.join(&settings.bucket))?;
    let store =
        FileSystem::new(&settings.folder).map_err(|error| ServeError::Folder(format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(store);
    builder.set_auth(SimpleAuth::from_single(settings.access_key, settings.secret_key));
    let service = builder.build();
    let acceptor = acceptor(&settings.tls)?;
    let listener = TcpListener::bind(settings.address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(acceptor.clone(), stream, service.clone()));
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, service: S3Service) {
    let Ok(Ok(stream)) = timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await else { return };
    let served =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::info!(%error, "a connection ended early");
    }
}

/// TLS with the `tls.crt` and `tls.key` of a folder.
pub(crate) fn acceptor(folder: &Path) -> Result<TlsAcceptor, ServeError> {
    acceptor_of(&folder.join("tls.crt"), &folder.join("tls.key"))
}

/// TLS with a certificate and its key, both files in PEM.
pub(crate) fn acceptor_of(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ServeError> {
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| ServeError::Pem { path, source }
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(pem(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
