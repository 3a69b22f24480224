//! OpenBao outside the cluster: plain processes on loopback, with any seal, and of an older version too. Where foreign
//! snapshots come from, and what can be killed, frozen and sealed at a precise moment.

mod node;
mod volumes;

pub use node::Node;
pub use volumes::Copies;

use super::client::{self, Nodes};
use super::configuration::TRANSIT_KEY;
use super::{OpenBao, OpenBaoError};
use crate::control_plane::secrets::{token, write_private};
use crate::control_plane::{ChanceError, LIFETIME};
use crate::harness::{Cluster, free_ports};
use crate::scenario::Scenario;
use crate::tools;
use anyhow::Context;
use certs::issue;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::json;
use std::path::PathBuf;

/// What unseals servers.
#[derive(Clone, Debug)]
pub enum Seal {
    /// One share.
    Shamir,
    /// A key in a file.
    Static {
        /// Its name, which servers with another key may use too.
        id: &'static str,
        /// 32 octets.
        key: String,
    },
    /// A key of another OpenBao, which has to answer for it.
    Transit {
        /// Its URL.
        address: String,
        /// Of somebody who may use the key.
        token: String,
        /// PEM file of its CA.
        authority: PathBuf,
    },
}

impl Seal {
    /// A static seal with a key of its own.
    ///
    /// # Errors
    /// Without random numbers.
    pub fn fresh(id: &'static str) -> Result<Self, ChanceError> {
        Ok(Self::Static { id, key: token()? })
    }

    /// A key that this OpenBao makes and keeps.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn kept_by(provider: &Scenario<'_>) -> anyhow::Result<Self> {
        provider.bao(Method::POST, "sys/mounts/transit", json!({"type": "transit"})).await?;
        provider.bao(Method::POST, &format!("transit/keys/{TRANSIT_KEY}"), json!({})).await?;
        let OpenBao { address, root_token: token, authority, .. } = provider.openbao.clone();
        Ok(Self::Transit { address, token, authority })
    }
}

/// What is to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of the cluster; no other one of the test binary has it.
    pub name: String,
    /// How many servers.
    pub replicas: usize,
    /// What unseals them.
    pub seal: Seal,
    /// How long they wait for the end of a request, as OpenBao writes durations.
    pub read_timeout: &'static str,
    /// Whether they are of the older version.
    pub older: bool,
    /// Whether each names the address of the first as its own.
    pub is_one_address: bool,
}

impl Settings {
    /// One server of the clusters' own version, with the read timeout that the README recommends.
    #[must_use]
    pub fn one(name: &str, seal: Seal) -> Self {
        Self {
            name: name.to_owned(),
            replicas: 1,
            seal,
            read_timeout: "15m",
            older: false,
            is_one_address: false,
        }
    }
}

/// Servers that end with this value, or with the thread that started them.
#[derive(Debug)]
pub struct Outside {
    /// How the first of them is used.
    pub openbao: OpenBao,
    /// Each of them.
    pub nodes: Vec<Node>,
    /// What unseals them, with a Shamir seal.
    pub unseal_key: Option<String>,
    seal_key: PathBuf,
    shares: &'static str,
    name: String,
}

impl Outside {
    /// Starts, initialises and unseals them. Everything lies in `outside/<name>` of the cluster's folder.
    ///
    /// # Errors
    /// When they do not get there.
    pub async fn start(cluster: &Cluster, settings: &Settings) -> anyhow::Result<Self> {
        let mut outside = Self::prepare(cluster, settings)?;
        outside.initialise().await?;
        Ok(outside)
    }

    async fn initialise(&mut self) -> anyhow::Result<()> {
        self.nodes[0].start().await?;
        let keys = self.first(1)?.initialise(self.shares).await?;
        self.openbao.root_token = keys.root_token;
        self.openbao.recovery_keys = keys.recovery_keys;
        self.unseal_key = keys.unseal_keys.into_iter().next();
        self.unseal(1).await?;
        for node in self.nodes.iter_mut().skip(1) {
            node.start().await?;
        }
        self.unseal(self.nodes.len()).await?;
        self.leader().await?;
        Ok(())
    }

    fn prepare(cluster: &Cluster, settings: &Settings) -> anyhow::Result<Self> {
        let folder = cluster.folder().join("outside").join(&settings.name);
        let now = Timestamp::now();
        let authority = issue::authority(&settings.name, now, LIFETIME)?;
        let leaf = issue::leaf(&authority, &["127.0.0.1".to_owned()], now, LIFETIME)?;
        std::fs::create_dir_all(&folder)?;
        for (name, text) in
            [("ca.crt", &authority.certificate), ("tls.crt", &leaf.certificate), ("tls.key", &leaf.key)]
        {
            write_private(&folder.join(name), text)?;
        }
        let seal_key = folder.join("seal.key");
        if let Seal::Static { key, .. } = &settings.seal {
            write_private(&seal_key, key)?;
        }
        let program = if settings.older {
            tools::older_openbao(|said| println!("{said}"))?
        } else {
            cluster.tool("bao")
        };
        let kind = node::Kind { settings, folder: &folder, program: &program, guard: cluster.program() };
        let nodes = kind.nodes(&free_ports(2 * settings.replicas)?)?;
        let openbao = nodes.first().context("no server")?.openbao.clone();
        let shares = if matches!(settings.seal, Seal::Shamir) { "secret" } else { "recovery" };
        Ok(Self { openbao, nodes, unseal_key: None, seal_key, shares, name: settings.name.clone() })
    }

    /// Asks the first servers.
    fn first(&self, count: usize) -> anyhow::Result<Nodes> {
        let authority = std::fs::read_to_string(&self.openbao.authority)?;
        let addresses: Vec<String> =
            self.nodes.iter().take(count).map(|node| node.openbao.address.clone()).collect();
        Ok(Nodes::at(&self.name, &authority, &addresses)?)
    }

    /// Unseals the first servers with their own key, if they need one, and waits until they are unsealed.
    ///
    /// # Errors
    /// When they do not get there.
    pub async fn unseal(&self, count: usize) -> anyhow::Result<()> {
        let nodes = self.first(count)?;
        if let Some(key) = &self.unseal_key {
            nodes.unseal(key).await?;
        }
        Ok(nodes.wait_until_unsealed().await?)
    }

    /// Whether a server says that it is sealed.
    ///
    /// # Errors
    /// When their CA cannot be read.
    pub async fn is_sealed(&self, node: usize) -> anyhow::Result<bool> {
        Ok(self.first(self.nodes.len())?.is_sealed(node).await)
    }

    /// Waits until a server is sealed.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn wait_until_sealed(&self, node: usize) -> anyhow::Result<()> {
        Ok(self.first(self.nodes.len())?.wait_until_sealed(node).await?)
    }

    /// Gives the servers another key for their static seal, which they read when they start.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace_seal_key(&self, key: &str) -> std::io::Result<()> {
        write_private(&self.seal_key, key)
    }

    /// Which of them leads, once one does.
    ///
    /// # Errors
    /// When none does in time.
    pub async fn leader(&self) -> anyhow::Result<usize> {
        Ok(self.first(self.nodes.len())?.leader().await?)
    }

    /// Waits until every server votes: before that a loss of servers is not what it seems.
    ///
    /// # Errors
    /// When they do not get there.
    pub async fn wait_for_voters(&self) -> Result<(), OpenBaoError> {
        client::wait_for_voters(&self.openbao, self.nodes.len()).await
    }
}
