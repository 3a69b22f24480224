//! An OpenBao of a test's own, known to Kubernetes only by the proxies before it, and restores of it that are held
//! against what it has afterwards.

mod backup;
mod restore;
mod rows;

pub use restore::{APPLIED, NOT_APPLIED, Restore, Verdict, condition};
pub use rows::all;

use crate::fault_proxy::FaultProxy;
use crate::harness::Cluster;
use crate::openbao::outside::{Outside, Settings};
use crate::scenario::Scenario;
use anyhow::Context;
use api::OpenBaoCluster;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use std::time::Duration;

/// A verdict may need two minutes after the end of a container, two looks, and two Jobs; rows run side by side.
const ENDS_WITHIN: Duration = Duration::from_mins(6);

/// What is in the snapshot, and comes back with it.
pub const KEPT: &str = "kept";
/// What was written after it, and stays where nothing is applied.
pub const LOST: &str = "lost";

/// A namespace in which sites are.
#[derive(Clone)]
pub struct Place {
    /// Of the namespace.
    pub cluster: &'static Cluster,
    /// Its name.
    pub namespace: String,
    /// Of this runtime, as administrator.
    pub client: Client,
}

impl Place {
    /// A namespace of this cluster, for the caller's runtime.
    pub async fn of(cluster: &'static Cluster, namespace: &str) -> Self {
        Self { cluster, namespace: namespace.to_owned(), client: cluster.client().await }
    }

    /// Objects in it.
    #[must_use]
    pub fn objects<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The pod of a Job.
    ///
    /// # Errors
    /// When there is none, or the API server does not answer.
    pub async fn pod_of(&self, job: &str) -> anyhow::Result<Pod> {
        let pods: Api<Pod> = self.objects();
        let found = pods.list(&ListParams::default().labels(&format!("job-name={job}"))).await?;
        found.items.into_iter().next().with_context(|| format!("{job} has no pod"))
    }

    /// Has the node do something to a pod.
    pub fn order(&self, pod: &Pod, fault: &str) {
        self.cluster.fault(&self.namespace, &pod.name_any(), fault);
    }

    /// Asks until there is an answer, for as long as a restore may take to its end.
    pub async fn eventually<T>(&self, what: &str, question: impl AsyncFnMut() -> Option<T>) -> T {
        self.cluster.eventually(what, ENDS_WITHIN, question).await
    }
}

/// Servers, a proxy before each, and the OpenBaoCluster that knows only the proxies.
pub struct Site {
    /// Where it is.
    pub place: Place,
    /// The servers.
    pub outside: Outside,
    /// What is in them, and the owner's side of a restore.
    pub scenario: Scenario<'static>,
    /// One before each server.
    pub proxies: Vec<FaultProxy>,
    /// Of the OpenBaoCluster.
    pub name: String,
}

impl Site {
    /// Starts the servers, and makes them an OpenBaoCluster.
    ///
    /// # Errors
    /// When one of them does not get there, or the API server refuses.
    pub async fn start(place: &Place, settings: &Settings) -> anyhow::Result<Self> {
        let outside = Outside::start(place.cluster, settings).await?;
        let name = settings.name.clone();
        let openbao = outside.openbao.clone();
        let scenario = Scenario::of(place.cluster, &place.namespace, &name, openbao).await?;
        let proxies =
            outside.nodes.iter().map(|node| FaultProxy::start(&node.openbao)).collect::<Result<_, _>>()?;
        let site = Self { place: place.clone(), outside, scenario, proxies, name };
        site.register(&site.name, &site.proxies).await?;
        Ok(site)
    }

    /// Makes an OpenBaoCluster of what is behind these proxies.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn register(&self, name: &str, proxies: &[FaultProxy]) -> anyhow::Result<()> {
        let addresses: Vec<&str> = proxies.iter().map(|proxy| proxy.address.as_str()).collect();
        let authorities = proxies.iter().map(|proxy| proxy.authority.as_str()).collect::<String>();
        self.register_as(name, addresses.len(), &addresses, &authorities).await
    }

    /// Makes an OpenBaoCluster with so many servers at these addresses.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn register_as(
        &self,
        name: &str,
        replicas: usize,
        addresses: &[&str],
        authorities: &str,
    ) -> anyhow::Result<()> {
        let secret = format!("{name}-proxies");
        self.scenario.secret(&secret, &json!({"ca.crt": authorities}))?;
        let object = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": name, "namespace": self.place.namespace},
            "spec": {
                "replicas": replicas,
                "connection": {"addresses": addresses, "caSecretRef": {"name": secret}}
            }
        });
        let clusters: Api<OpenBaoCluster> = self.place.objects();
        clusters.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    /// Puts a snapshot with [`KEPT`] into the store, and overwrites the value; gives the snapshot's key.
    ///
    /// # Errors
    /// When OpenBao or the store refuses.
    pub async fn lose(&self) -> anyhow::Result<String> {
        let key = format!("clusters/{}/kept.snap", self.name);
        self.scenario.write(KEPT).await?;
        self.scenario.put(&key, self.scenario.snapshot().await?).await?;
        self.scenario.write(LOST).await?;
        Ok(key)
    }

    /// Asks for a restore, with `changes` merged into the spec of the request.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn restore(&self, name: &str, key: &str, changes: &Value) -> anyhow::Result<Restore> {
        let mut request = self.scenario.request(name, key);
        for (field, value) in changes.as_object().into_iter().flatten() {
            request["spec"][field] = value.clone();
        }
        Restore::request(self, name, &request).await
    }

    /// Whole snapshots that were posted to any of the servers.
    #[must_use]
    pub fn posts(&self) -> usize {
        self.proxies.iter().map(FaultProxy::posts).sum()
    }

    /// Of how many of them the last byte came.
    #[must_use]
    pub fn tails(&self) -> usize {
        self.proxies.iter().map(FaultProxy::tails).sum()
    }

    /// What OpenBao has now, from whoever leads.
    ///
    /// # Errors
    /// When nobody leads in time.
    pub async fn value(&self) -> anyhow::Result<String> {
        let leader = self.outside.leader().await?;
        let address = &self.outside.nodes[leader].openbao.address;
        let read = async || self.scenario.read_from(address).await.ok();
        Ok(self.place.eventually("an answer of the leader", read).await)
    }
}
