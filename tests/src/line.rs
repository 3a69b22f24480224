//! A line between the API server and one client of it: a proxy that shows the client one namespace as if it were all of
//! them, counts what it writes there, and is cut at the n-th write, before the API server hears it or before the client
//! hears the answer. So each write of a program is a place where it can be made to die, without a list of them. It may
//! be the line of several pods, one after the other: it is cut for the one that it was cut at.

mod forward;
mod view;

pub(crate) use forward::of_message;

use crate::harness::Cluster;
use crate::object_store::acceptor_of;
use anyhow::Context;
use forward::Forward;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::SignedDuration;
use reqwest::Url;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Where the line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// At which write.
    pub at: Write,
    /// On which side of it.
    pub side: Side,
}

/// One write of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// From 1.
    Nth(usize),
    /// With which the pod of a restore claims its ticket.
    Claim,
}

/// On which side of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The API server does not hear of it.
    Before,
    /// It is done, and the client does not hear of it.
    After,
}

/// What a line does beside forwarding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Where it is cut, if at all.
    pub cut: Option<Cut>,
    /// Whether who is cut off waits for answers that never come, instead of seeing its connections end.
    pub is_silent: bool,
    /// Where pods of the Jobs that are made through it find their API server, if not at the API server.
    pub pods: Option<SocketAddr>,
}

/// It is open until it is cut, or its runtime ends.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    authority: PathBuf,
    shared: Arc<Shared>,
}

/// What all its connections share.
#[derive(Debug)]
struct Shared {
    namespace: String,
    options: Options,
    written: Mutex<Vec<String>>,
    looks: AtomicUsize,
    /// How far the clock of the API server is off, as the client sees it.
    clock: Mutex<SignedDuration>,
    cut: CancellationToken,
    /// The credential of whom it is cut for.
    cut_off: Mutex<Option<HeaderValue>>,
}

impl Line {
    /// Opens one whose client sees `namespace` and nothing else.
    ///
    /// # Errors
    /// When it cannot listen, or the files of the cluster cannot be read.
    pub async fn open(cluster: &Cluster, namespace: &str, options: Options) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            namespace: namespace.to_owned(),
            options,
            written: Mutex::default(),
            looks: AtomicUsize::default(),
            clock: Mutex::default(),
            cut: CancellationToken::new(),
            cut_off: Mutex::default(),
        });
        let pki = cluster.folder().join("pki");
        // It is the API server for its client, by the same certificate.
        let acceptor = acceptor_of(&pki.join("server.crt"), &pki.join("server.key"))?;
        let authority = pki.join("ca.crt");
        let server = server(cluster)?;
        let forward = Forward::new(&server, &authority, Arc::clone(&shared))?;
        // The certificate names no other address.
        let listener = TcpListener::bind((server.host_str().unwrap_or_default(), 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(acceptor.clone(), stream, forward.clone()));
            }
        });
        Ok(Self { address, authority, shared })
    }

    /// Where its client finds it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// PEM of the CA of its certificate.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// What was written so far, as `PATCH openbaorestores/status`; the one it was cut at is the last.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        self.shared.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often its client has read one OpenBaoRestore.
    #[must_use]
    pub fn looks(&self) -> usize {
        self.shared.looks.load(Ordering::SeqCst)
    }

    /// Waits until it is cut. From then on the client is not heard, whatever it asks.
    pub async fn is_cut(&self) {
        self.shared.cut.cancelled().await;
    }

    /// From now on each answer is dated so much later than it was given.
    pub fn set_clock(&self, later: SignedDuration) {
        *self.shared.clock.lock().unwrap_or_else(PoisonError::into_inner) = later;
    }
}

impl Shared {
    /// Notes a request; says on which side of it the line is to be cut, if it is a write and the one.
    fn note(&self, method: &Method, path: &str, body: &[u8]) -> Option<Side> {
        if view::reads_a_restore(method, path) {
            self.looks.fetch_add(1, Ordering::SeqCst);
        }
        let what = view::write_in(method, path, &self.namespace)?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.push(what);
        let is_it = |cut: &Cut| match cut.at {
            Write::Nth(write) => write == written.len(),
            Write::Claim => view::claims(body),
        };
        self.options.cut.filter(is_it).map(|cut| cut.side)
    }

    fn cut_off(&self, caller: Option<HeaderValue>) {
        *self.cut_off.lock().unwrap_or_else(PoisonError::into_inner) = caller;
        self.cut.cancel();
    }

    fn is_cut_off(&self, caller: Option<&HeaderValue>) -> bool {
        let cut_off = self.cut_off.lock().unwrap_or_else(PoisonError::into_inner);
        cut_off.is_some() && cut_off.as_ref() == caller
    }

    fn clock(&self) -> SignedDuration {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// URL of the API server.
fn server(cluster: &Cluster) -> anyhow::Result<Url> {
    let text = std::fs::read(cluster.variable("KUBECONFIG"))?;
    let kubeconfig: Value = serde_json::from_slice(&text)?;
    let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str();
    Ok(Url::parse(server.context("the kubeconfig names no server")?)?)
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, forward: Forward) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let forward = forward.clone();
        async move { forward.answer(request).await }
    });
    // A client that goes away is its own affair.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}
