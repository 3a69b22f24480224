//! TLS before a server that speaks none.

use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a client said when it was greeted: the name that it wants, and the protocol that was agreed on.
type Greeting = (Option<String>, Option<Vec<u8>>);

/// Takes TLS off, until the test ends.
pub(crate) struct Tls {
    pub(crate) address: String,
    /// Has the `ca.crt` that trusts it.
    pub(crate) folder: TempDir,
    pub(crate) greetings: Arc<Mutex<Vec<Greeting>>>,
}

impl Tls {
    /// Before the server at this address, with a certificate for this name. It would rather speak HTTP/2.
    pub(crate) async fn before(server: &str, name: &str) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), issued.cert.pem()).unwrap();
        let key = issued.signing_key.serialize_der().try_into().unwrap();
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let greetings = Arc::<Mutex<Vec<Greeting>>>::default();
        let (server, heard) = (server.trim_start_matches("http://").to_owned(), Arc::clone(&greetings));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust it is what some tests are about.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let (_, session) = stream.get_ref();
                let name = session.server_name().map(ToOwned::to_owned);
                heard.lock().unwrap().push((name, session.alpn_protocol().map(<[u8]>::to_vec)));
                let mut behind = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut stream, &mut behind).await });
            }
        });
        Self { address, folder, greetings }
    }
}
