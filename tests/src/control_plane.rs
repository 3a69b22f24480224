//! A control plane on loopback: etcd, kube-apiserver and kube-controller-manager, fresh, with TLS, RBAC, static tokens
//! and an audit log, all inside one folder and one [`Slot`] of addresses.

mod credentials;
pub mod guard;
pub(crate) mod process;
mod programs;
pub(crate) mod secrets;
mod slot;

pub use process::ProcessError;
pub use secrets::ChanceError;
pub use slot::{Slot, SlotError};

use crate::tools::Tools;
use credentials::Credentials;
use futures::future::select_all;
use jiff::SignedDuration;
use process::{Process, Program};
use programs::Layout;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of every certificate in a local cluster, which runs for hours.
pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Measured: etcd 0.75 s, API server 2.5 s, controller manager 0.4 s. A machine that builds beside it takes longer.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A running control plane. Its processes end with this value, and with this process.
#[derive(Debug)]
pub struct ControlPlane {
    processes: Vec<Process>,
    /// How it is used.
    pub access: Access,
}

/// How a control plane is used.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where the API server listens.
    pub api_server: SocketAddr,
    /// Of the administrator; kubectl, helm and the client read it.
    pub kubeconfig: PathBuf,
    /// PEM of the key that verifies the tokens of service accounts (ES256).
    pub service_account_public_key: PathBuf,
}

/// Why there is no control plane. No process of it is left.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A program did not start, ended, or did not get ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Certificates or keys could not be made.
    #[error("no certificates for the control plane: {0}")]
    Issue(#[from] certs::issue::IssueError),
    /// The key for tokens of service accounts could not be made.
    #[error("no key for the tokens of service accounts: {0}")]
    Key(#[from] rcgen::Error),
    /// The system gave no random numbers.
    #[error(transparent)]
    Chance(#[from] ChanceError),
    /// A file could not be written, or no port was free.
    #[error("the control plane cannot be prepared: {0}")]
    Io(#[from] std::io::Error),
    /// The client that asks for readiness could not be made.
    #[error("no HTTP client for the readiness of the control plane: {0}")]
    Client(#[from] reqwest::Error),
}

impl ControlPlane {
    /// Starts it in `folder`, which holds nothing of an earlier one, and waits until it is ready. `guard` is a program
    /// that has [`guard::run`] behind its subcommand `guard`; the calling thread has to live as long as the processes.
    pub async fn start(
        tools: &Tools,
        guard: &Path,
        folder: &Path,
        slot: &Slot,
    ) -> Result<Self, ControlPlaneError> {
        let ports = slot.free_ports()?;
        let credentials = Credentials::write(folder, slot, ports.api_server)?;
        let client = credentials.client()?;
        let layout = Layout { folder, slot, ports };
        let start = |name, arguments| {
            let path = tools.program(name);
            Process::start(&Program { name, path, arguments, scratch: None, guard, folder })
        };

        let mut etcd = start("etcd", layout.etcd())?;
        let mut api_server = start("kube-apiserver", layout.api_server()?)?;
        let url = format!("https://{}/readyz", layout.ports.api_server);
        tokio::select! {
            ready = api_server.ready(&client, &url, READY_WITHIN) => ready?,
            ended = etcd.ended() => return Err(ended.into()),
        }
        // It gives up when the API server does not answer within 10 s, so it starts after that.
        let mut controller_manager = start("kube-controller-manager", layout.controller_manager())?;
        let url = format!("https://{}/healthz", layout.ports.controller_manager);
        controller_manager.ready(&client, &url, READY_WITHIN).await?;

        Ok(Self {
            processes: vec![controller_manager, api_server, etcd],
            access: Access {
                api_server: layout.ports.api_server,
                kubeconfig: credentials.kubeconfig,
                service_account_public_key: credentials.service_account_public_key,
            },
        })
    }

    /// Waits until one of its processes ends, which none should.
    pub async fn ended(&mut self) -> ProcessError {
        let ends = self.processes.iter_mut().map(|process| Box::pin(process.ended()));
        select_all(ends).await.0
    }

    /// Ends its processes and waits until they are gone.
    pub async fn stop(mut self) {
        for process in &mut self.processes {
            process.stop().await;
        }
    }
}
