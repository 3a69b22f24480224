//! `cargo cluster`: a whole local cluster in one folder, for a human or for a test binary.
//!
//! [`prepare`] makes programs and folder, [`Prepared::run`] runs the cluster in the foreground until it is told to
//! end, [`down`] tells it so from elsewhere. Every start is a fresh one: data of an earlier run are removed.

pub(crate) mod apply;
pub(crate) mod environment;
mod images;
mod install;
mod lock;
mod programs;
mod report;
mod services;
mod stop;

pub use install::STORAGE_NETWORKS;
pub use lock::Down;
pub use services::OpenBaoChoice;

use crate::control_plane::{Access, ControlPlane, ControlPlaneError, Slot, SlotError};
use crate::node::{self, NodeConfig};
use crate::object_store::ObjectStoreError;
use crate::openbao::OpenBaoError;
use crate::tools::{self, Tools, ToolsError};
use lock::FolderLock;
use programs::Programs;
use report::Report;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pods get this long to end with the cluster before the kernel ends them with this process.
const NODE_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A test binary that is run again finds its predecessor's cluster, which is about to end.
const PREDECESSOR_ENDS_WITHIN: Duration = Duration::from_secs(30);

/// What kind of cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything of the cluster; absolute, or below the target folder.
    pub folder: Option<PathBuf>,
    /// Which OpenBao clusters run in it.
    pub openbao: OpenBaoChoice,
    /// The cluster ends when this process, its parent, has ended; without one, the parent it has at its start.
    pub parent: Option<i32>,
}

/// Why there is no cluster. What had been started is ended.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There are no tools.
    #[error(transparent)]
    Tools(#[from] ToolsError),
    /// There are no addresses.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The control plane did not start, or a program of it ended.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// `OpenBao` did not start.
    #[error(transparent)]
    OpenBao(#[from] OpenBaoError),
    /// The object store did not start.
    #[error(transparent)]
    ObjectStore(#[from] ObjectStoreError),
    /// Another cluster runs in the folder.
    #[error("a cluster runs in {} already (process {pid}); end it with `cargo cluster down --folder {}`", folder.display(), folder.display())]
    Running {
        /// The folder.
        folder: PathBuf,
        /// Of the other cluster.
        pid: String,
    },
    /// A process did not end.
    #[error("process {pid} was asked to end and still runs after {within:?}; see {}", folder.display())]
    StillRunning {
        /// Of the cluster.
        pid: String,
        /// How long it had.
        within: Duration,
        /// Its folder.
        folder: PathBuf,
    },
    /// A program of this workspace could not be built, or the chart not be installed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it printed, unless that went to the terminal.
        output: String,
    },
    /// A Service got no pod.
    #[error(
        "no pod was ready behind {url} within {within:?}; the logs of pods are in node/logs of the cluster's folder"
    )]
    NotServed {
        /// Of the Service.
        url: String,
        /// How long it had.
        within: Duration,
    },
    /// The node ended.
    #[error("the node ended: {0}")]
    Node(String),
    /// The API server refused or did not answer.
    #[error("{what}: {source}")]
    Kube {
        /// What was asked for.
        what: &'static str,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// The kubeconfig of the cluster is none.
    #[error("the kubeconfig of the cluster cannot be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// A file of the cluster could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Programs and a folder that is ours.
#[derive(Debug)]
pub struct Prepared {
    options: Options,
    folder: PathBuf,
    tools: Tools,
    programs: Programs,
    report: Report,
    _lock: FolderLock,
}

/// Makes tools and programs, and takes and empties the folder. Blocks, for minutes when nothing is built yet.
pub fn prepare(options: Options) -> Result<Prepared, ClusterError> {
    let report = Report::start();
    let programs = Programs::beside_us()?;
    let folder = programs.folder(options.folder.as_deref())?;
    let patience = options.parent.map_or(Duration::ZERO, |_| PREDECESSOR_ENDS_WITHIN);
    let lock = FolderLock::take(&folder, patience)?;
    let tools = tools::find(report::say)?;
    report.done("tools");
    programs.build()?;
    report.done("programs of this workspace");
    lock.empty_folder()?;
    Ok(Prepared { options, folder, tools, programs, report, _lock: lock })
}

/// Builds all programs of the workspace beside `program`, which a test binary knows as `env!("CARGO_BIN_EXE_cluster")`, and gives the one named.
pub fn built(program: &Path, name: &str) -> Result<PathBuf, ClusterError> {
    let programs = Programs::beside(program);
    programs.build()?;
    Ok(programs.program(name))
}

/// Ends the cluster of a folder, if one runs there, and waits for its end.
pub fn down(folder: Option<&Path>) -> Result<Down, ClusterError> {
    lock::down(&Programs::beside_us()?.folder(folder)?)
}

impl Prepared {
    /// Runs the cluster until Ctrl-C, SIGTERM, or the end of the parent it was given. The calling thread has to be the
    /// main one, with a runtime of its own: the kernel ends children when the thread that started them ends.
    pub async fn run(self) -> Result<(), ClusterError> {
        let slot = Slot::claim()?;
        let mut plane =
            ControlPlane::start(&self.tools, self.programs.cluster(), &self.folder, &slot).await?;
        self.report.done("API server, etcd, controller manager");

        let access = plane.access.clone();
        let client = client(&access.kubeconfig, None).await?;
        let stop = CancellationToken::new();
        let mut node = Box::pin(node::run(client.clone(), self.node(&access, &slot), stop.clone()));
        let site = services::Site { prepared: &self, access: &access, slot: &slot, client };
        let life = async {
            site.start().await?;
            std::future::pending().await
        };
        let result = tokio::select! {
            result = life => result,
            ended = &mut node => Err(node_ended(ended)),
            ended = plane.ended() => Err(ControlPlaneError::from(ended).into()),
            () = stop::asked(self.options.parent) => Ok(()),
        };
        stop.cancel();
        // What did not end in time ends with this process.
        let _ = tokio::time::timeout(NODE_ENDS_WITHIN, node).await;
        plane.stop().await;
        report::say("ended");
        result
    }

    fn node(&self, access: &Access, slot: &Slot) -> NodeConfig {
        NodeConfig {
            name: "local".to_owned(),
            images: images::all(&self.programs, &self.tools),
            folder: self.folder.join("node"),
            pod_network: slot.pod_network(),
            api_server: access.api_server,
            sandbox: self.programs.program("sandbox"),
        }
    }
}

fn node_ended(result: Result<(), node::NodeError>) -> ClusterError {
    ClusterError::Node(result.map_or_else(|error| error.to_string(), |()| "without a reason".to_owned()))
}

/// A client of the cluster that a kubeconfig names, as its user, or as somebody whom that user may stand for.
pub async fn client(kubeconfig: &Path, user: Option<&str>) -> Result<kube::Client, ClusterError> {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?;
    // It comes from the environment, and nobody stands between us and loopback.
    config.proxy_url = None;
    config.auth_info.impersonate = user.map(str::to_owned);
    kube::Client::try_from(config).map_err(kube_error("a client of the API server"))
}

pub(crate) fn kube_error(what: &'static str) -> impl Fn(kube::Error) -> ClusterError {
    move |source| ClusterError::Kube { what, source: Box::new(source) }
}

pub(crate) fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::Io { path, source }
}
