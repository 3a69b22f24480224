//! The program with a certificate of its own, and the ways to it.

use certs::issue;
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Certificate, Client, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;
use tests::harness::free_ports;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HOST: &str = "127.0.0.1";
/// What the benches measure.
const REVIEW: &str = include_str!("../../../webhook/benches/serve/review.json");
/// Measured: 20 ms. A machine that builds beside it takes longer.
const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

static PROGRAM: LazyLock<std::path::PathBuf> =
    LazyLock::new(|| tests::cluster::built(Path::new(env!("CARGO_BIN_EXE_cluster")), "webhook").unwrap());

/// A running server. It ends with this value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    probes: SocketAddr,
    authority: String,
    folder: TempDir,
    pub(crate) process: Child,
}

impl Server {
    /// Starts one, and waits until it is ready.
    pub(crate) async fn start() -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (folder, now, day) = (TempDir::new().unwrap(), Timestamp::now(), SignedDuration::from_hours(24));
        let authority = issue::authority("door", now, day).unwrap();
        let leaf = issue::leaf(&authority, &[HOST.to_owned()], now, day).unwrap();
        std::fs::write(folder.path().join("tls.crt"), leaf.certificate).unwrap();
        std::fs::write(folder.path().join("tls.key"), leaf.key).unwrap();
        let ports = free_ports(2).unwrap();
        let [address, probes] = [ports[0], ports[1]].map(|port| SocketAddr::new(HOST.parse().unwrap(), port));
        let mut command = Command::new(&*PROGRAM);
        command.arg("serve").arg("--tls-dir").arg(folder.path()).env_clear();
        command.args(["--listen-ip", HOST, "--executor-image", "recovery:1"]);
        command.args([format!("--port={}", address.port()), format!("--health-port={}", probes.port())]);
        command.stdout(File::create(folder.path().join("log")).unwrap()).stderr(Stdio::inherit());
        let process = command.kill_on_drop(true).spawn().unwrap();
        let server = Self { address, probes, authority: authority.certificate, folder, process };
        let ready = async {
            while server.probe("readyz").await.is_none_or(|answer| !answer.status().is_success()) {
                sleep(POLL).await;
            }
        };
        timeout(READY_WITHIN, ready).await.unwrap();
        server
    }

    /// What a probe or the metrics say; none: nobody answers.
    pub(crate) async fn probe(&self, path: &str) -> Option<Response> {
        reqwest::get(format!("http://{}/{path}", self.probes)).await.ok()
    }

    pub(crate) async fn metrics(&self) -> String {
        self.probe("metrics").await.unwrap().text().await.unwrap()
    }

    /// A client of connections of its own, which it keeps.
    pub(crate) fn client(&self) -> Client {
        let authority = Certificate::from_pem(self.authority.as_bytes()).unwrap();
        Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap()
    }

    /// Sends a review; what came back.
    pub(crate) async fn send(
        &self,
        client: &Client,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Result<Response> {
        let request = client.post(format!("https://{}/validate", self.address));
        request.header("content-type", "application/json").body(body).send().await
    }

    /// Sends a review as an API server does, and takes its answer.
    pub(crate) async fn review(&self, client: &Client, review: &Value) -> Value {
        let answer = self.send(client, as_sent(review)).await.unwrap();
        assert_eq!(answer.status(), 200, "{review}");
        answer.json().await.unwrap()
    }

    /// A connection from another address of this machine, if not from the usual one.
    pub(crate) async fn connect(&self, from: &str) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0))?;
        socket.connect(self.address).await
    }

    /// The same with TLS.
    pub(crate) async fn connect_with_tls(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = self.connect(HOST).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from(HOST).unwrap(), stream)
            .await
            .unwrap()
    }

    pub(crate) fn terminate(&self) {
        kill(Pid::from_raw(self.process.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();
    }

    /// Most memory that it ever had, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Everything that it logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

/// The review of a creation that is admitted, of about 3 KB, as API servers send it.
pub(crate) fn creation(uid: &str) -> Value {
    let mut review: Value = serde_json::from_str(REVIEW).unwrap();
    review["request"]["uid"] = json!(uid);
    review
}

/// The text of a review, its uid before everything else, as API servers write it.
pub(crate) fn as_sent(review: &Value) -> String {
    let mut request = review["request"].clone();
    let uid = request.as_object_mut().unwrap().remove("uid").unwrap();
    let (version, rest) = (&review["apiVersion"], request.to_string());
    format!(r#"{{"kind":"AdmissionReview","apiVersion":{version},"request":{{"uid":{uid},{}}}"#, &rest[1..])
}
