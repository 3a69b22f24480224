//! The process node: what stands in for a kubelet, a scheduler, a kube-proxy and a DNS server.
//!
//! It binds pods, makes their volumes, runs each container of a known image as a local process in a sandbox, reports
//! status and probes, and honours deletion. Pods share the loopback network, each with an address of its own; the
//! node listens on the address of each Service and forwards. Names are resolved by one shared `/etc/hosts`.
//!
//! A pod is told to misbehave by its annotation `node.local/fault`: `kill`, `freeze`, `thaw` or `lose`, with a suffix
//! (`kill-2`) to say the same once more. A Service without a selector leads where its annotation `node.local/endpoints`
//! says.

mod actor;
mod addresses;
mod caches;
mod container;
mod env;
mod exit;
mod fault;
mod fields;
mod files;
mod hosts;
mod launch;
mod objects;
mod payload;
mod probe;
mod prober;
mod process;
mod proxy;
mod register;
pub mod sandbox;
mod services;
mod snapshot;
mod status;
mod supervise;
mod support;
mod tokens;
mod volumes;

pub(crate) use fault::ANNOTATION as FAULT;
pub use services::ANNOTATION as ENDPOINTS;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;

/// What an image name stands for: programs and files of the host, bound read-only into the container.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Program and first arguments, where the container names no `command`.
    pub entrypoint: Vec<String>,
    /// Files beside the host's `/usr`, `/lib`, `/lib64` and `/bin`. None may lie below those four.
    pub files: Vec<ImageFile>,
}

/// One file or folder of an image.
#[derive(Clone, Debug)]
pub struct ImageFile {
    /// Path in the container.
    pub at: PathBuf,
    /// Path on the host.
    pub from: PathBuf,
}

/// What a node needs to know.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Name of the Node object.
    pub name: String,
    /// Images by the name that a container's `image` uses.
    pub images: BTreeMap<String, Image>,
    /// Scratch folder for `pods`, `etc` and `logs`.
    pub folder: PathBuf,
    /// First address of the /20 that pod addresses are taken from, from the tenth on.
    pub pod_network: Ipv4Addr,
    /// Given to pods as `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.
    pub api_server: SocketAddr,
    /// The `sandbox` program of this package.
    pub sandbox: PathBuf,
}

/// Why a node could not start. Nothing runs then.
#[derive(Debug)]
pub enum NodeError {
    /// A scratch folder or file could not be made.
    Folder(PathBuf, std::io::Error),
    /// The Node or its Lease could not be written; the API server or the rights of the client are the place to look.
    Register(kube::Error),
    /// The HTTP client of the probes could not be built.
    Probes(reqwest::Error),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path, _) => write!(f, "the node cannot write {}", path.display()),
            Self::Register(_) => write!(f, "the node could not register itself at the API server"),
            Self::Probes(_) => write!(f, "the node could not build the HTTP client of its probes"),
        }
    }
}

impl std::error::Error for NodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder(_, error) => Some(error),
            Self::Register(error) => Some(error),
            Self::Probes(error) => Some(error),
        }
    }
}

/// What every pod of the node shares.
struct Shared {
    client: Client,
    config: NodeConfig,
    caches: caches::Caches,
    prober: prober::Prober,
    recorder: kube::runtime::events::Recorder,
}

/// Runs the node until `stop`, then ends every process it started and waits for their end.
///
/// It has to be called on a current-thread runtime: the kernel kills the containers when the thread that started them
/// ends, so a node that dies leaves none behind.
pub async fn run(client: Client, config: NodeConfig, stop: CancellationToken) -> Result<(), NodeError> {
    files::make_folders(&config.folder)?;
    let prober = prober::Prober::new().map_err(NodeError::Probes)?;
    register::announce(&client, &config).await.map_err(NodeError::Register)?;
    let reporter =
        kube::runtime::events::Reporter { controller: "kubelet".into(), instance: Some(config.name.clone()) };
    let recorder = kube::runtime::events::Recorder::new(client.clone(), reporter);
    let caches = caches::Caches::watch(&client, &stop);
    let shared = Arc::new(Shared { client, config, caches, prober, recorder });
    tokio::join!(register::keep(&shared, &stop), supervise::run(&shared, &stop));
    Ok(())
}
