//! OpenBao on the cluster's node: a `StatefulSet` with raft storage, TLS and a static seal, initialised by its API.

mod client;
mod configuration;
mod manifests;
pub mod outside;

use crate::cluster::apply::apply;
use crate::control_plane::secrets::{token, write_private};
use crate::control_plane::{ChanceError, LIFETIME, Slot};
use certs::issue::{self, Pair};
use client::Nodes;
pub(crate) use client::trusting;
use jiff::Timestamp;
use manifests::Material;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Image of its pods: the program `/bao`.
pub const IMAGE: &str = "openbao/openbao:local";
/// Namespace of every cluster.
pub const NAMESPACE: &str = "openbao";

const PORT: u16 = 8200;

/// Which cluster is to run.
#[derive(Clone, Copy, Debug)]
pub struct Servers {
    /// Of the `StatefulSet`, its headless Service and the OpenBaoCluster.
    pub name: &'static str,
    /// How many nodes.
    pub replicas: u8,
    /// Which address of the slot its Service for humans has.
    service_address: u8,
}

/// Three nodes.
pub const BAO: Servers = Servers { name: "bao", replicas: 3, service_address: 10 };
/// One node.
pub const SOLO: Servers = Servers { name: "solo", replicas: 1, service_address: 11 };

/// A cluster that is initialised and unsealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenBao {
    /// URL of node 0, from the host.
    pub address: String,
    /// PEM of the CA of its certificates.
    pub authority: PathBuf,
    /// May do everything.
    pub root_token: String,
    /// One share; what `sys/generate-root` asks for. None where an unseal key does that.
    pub recovery_keys: Vec<String>,
}

impl OpenBao {
    /// What [`start`] kept of the cluster `name`.
    pub fn read(folder: &Path, name: &str) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(kept(folder, name))?)?)
    }

    fn write(&self, folder: &Path, name: &str) -> io::Result<()> {
        write_private(&kept(folder, name), &serde_json::to_string(self)?)
    }
}

fn kept(folder: &Path, name: &str) -> PathBuf {
    folder.join("openbao").join(format!("{name}.json"))
}

/// Why there is no OpenBao.
#[derive(Debug, thiserror::Error)]
pub enum OpenBaoError {
    /// No certificates.
    #[error("no certificates for OpenBao: {0}")]
    Issue(#[from] issue::IssueError),
    /// No random numbers.
    #[error(transparent)]
    Chance(#[from] ChanceError),
    /// The API server refused an object of it, or did not answer.
    #[error("the objects of OpenBao {name}: {source}")]
    Kube {
        /// Of the cluster.
        name: &'static str,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// A server did not answer as it should.
    #[error("OpenBao: {0}")]
    Http(#[from] reqwest::Error),
    /// The servers did not get there in time.
    #[error(
        "OpenBao {name}: {what} did not come true within {within:?}; the logs of its pods are in node/logs of the cluster's folder"
    )]
    NotReady {
        /// Of the cluster.
        name: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        within: Duration,
    },
    /// Its keys or its CA could not be written or read.
    #[error("the files of OpenBao {name}: {source}")]
    Io {
        /// Of the cluster, or its address.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Starts the cluster and initialises it. Token and keys are kept in `openbao/<name>.json` of `folder`.
pub async fn start(
    client: &kube::Client,
    slot: &Slot,
    folder: &Path,
    servers: &Servers,
) -> Result<OpenBao, OpenBaoError> {
    let service = slot.service_address(servers.service_address);
    let (authority, leaf) = certificates(servers, &service.to_string())?;
    let own = folder.join("openbao");
    let data = own.join("data");
    let material = Material {
        authority: &authority.certificate,
        leaf: &leaf,
        seal_key: &token()?,
        data: &data,
        service,
    };
    let name = servers.name;
    apply(client, manifests::all(servers, &material))
        .await
        .map_err(|source| OpenBaoError::Kube { name, source: Box::new(source) })?;

    let nodes = Nodes::find(client, servers, &authority.certificate).await?;
    let keys = nodes.initialise("recovery").await?;
    nodes.wait_until_unsealed().await?;

    let address = format!("https://{service}:{PORT}");
    let ca = own.join(format!("{name}-ca.crt"));
    let openbao = OpenBao {
        address,
        authority: ca.clone(),
        root_token: keys.root_token,
        recovery_keys: keys.recovery_keys,
    };
    std::fs::create_dir_all(&own)
        .and_then(|()| std::fs::write(&ca, &authority.certificate))
        .and_then(|()| openbao.write(folder, name))
        .map_err(|source| OpenBaoError::Io { name: name.to_owned(), source })?;
    Ok(openbao)
}

/// Makes the OpenBaoCluster of each cluster. Its definition comes with the chart.
pub async fn register(client: &kube::Client, servers: &[Servers]) -> Result<(), kube::Error> {
    apply(client, servers.iter().map(manifests::custom_resource).collect()).await
}

/// Waits until every node of the cluster behind `address` votes: 10 s after it joined, 23 s after the start (measured
/// for three nodes). Before that a loss of nodes is not what it seems.
pub async fn wait_for_voters(openbao: &OpenBao, replicas: usize) -> Result<(), OpenBaoError> {
    client::wait_for_voters(openbao, replicas).await
}

/// Waits until the servers are unsealed, agree on their leader and have caught up with it: after some of them were frozen
/// or killed, one that has just come back answers with what it knew before.
///
/// # Errors
/// When they do not get there in time.
pub async fn wait_until_settled(
    client: &kube::Client,
    servers: &Servers,
    openbao: &OpenBao,
) -> anyhow::Result<()> {
    let authority = std::fs::read_to_string(&openbao.authority)?;
    let nodes = Nodes::find(client, servers, &authority).await?;
    nodes.wait_until_unsealed().await?;
    Ok(nodes.wait_until_agreed().await?)
}

fn certificates(servers: &Servers, service: &str) -> Result<(Pair, Pair), OpenBaoError> {
    let now = Timestamp::now();
    let authority = issue::authority(&format!("OpenBao {}", servers.name), now, LIFETIME)?;
    let name = servers.name;
    let nodes = (0..servers.replicas).map(|node| format!("{name}-{node}.{name}.{NAMESPACE}.svc"));
    let services =
        [name.to_owned(), format!("{name}-api")].map(|service| format!("{service}.{NAMESPACE}.svc"));
    let names: Vec<String> = nodes
        .chain(services)
        .flat_map(|name| [format!("{name}.cluster.local"), name])
        .chain([service.to_owned()])
        .collect();
    let leaf = issue::leaf(&authority, &names, now, LIFETIME)?;
    Ok((authority, leaf))
}
