//! An OpenBao of a test's own, known to Kubernetes only by the proxies before it.

use crate::restore::Restore;
use api::OpenBaoCluster;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;
use tests::fault_proxy::FaultProxy;
use tests::harness::Cluster;
use tests::openbao::outside::{Outside, Settings};
use tests::scenario::Scenario;

/// A verdict may need 60 s after the end of a container, and two Jobs; rows run side by side.
const ENDS_WITHIN: Duration = Duration::from_mins(4);

/// What is in the snapshot, and comes back with it.
pub(crate) const KEPT: &str = "kept";
/// What was written after it, and stays where nothing is applied.
pub(crate) const LOST: &str = "lost";

static NAMESPACE: OnceLock<String> = OnceLock::new();

pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(env!("CARGO_BIN_EXE_cluster"), "faults", "none")
}

pub(crate) fn namespace() -> &'static str {
    NAMESPACE.get_or_init(|| cluster().namespace("faults"))
}

/// Servers, a proxy before each, and the OpenBaoCluster that knows only the proxies.
pub(crate) struct Site {
    pub(crate) outside: Outside,
    pub(crate) scenario: Scenario<'static>,
    pub(crate) proxies: Vec<FaultProxy>,
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Site {
    /// Starts the servers, and makes them an OpenBaoCluster.
    pub(crate) async fn start(client: &Client, settings: &Settings) -> Self {
        let outside = Outside::start(cluster(), settings).await.unwrap();
        let name = settings.name.clone();
        let scenario = Scenario::of(cluster(), namespace(), &name, outside.openbao.clone()).await.unwrap();
        let mut proxies = Vec::new();
        for node in &outside.nodes {
            proxies.push(FaultProxy::start(&node.openbao).await.unwrap());
        }
        let site = Self { outside, scenario, proxies, client: client.clone(), name };
        site.register(&site.name, &site.proxies).await;
        site
    }

    /// Makes an OpenBaoCluster of what is behind these proxies.
    pub(crate) async fn register(&self, name: &str, proxies: &[FaultProxy]) {
        let authorities: String = proxies.iter().map(|proxy| proxy.authority.as_str()).collect();
        let secret = format!("{name}-proxies");
        self.scenario.secret(&secret, &json!({"ca.crt": authorities})).unwrap();
        let addresses: Vec<&str> = proxies.iter().map(|proxy| proxy.address.as_str()).collect();
        let object = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": name, "namespace": namespace()},
            "spec": {
                "replicas": addresses.len(),
                "connection": {"addresses": addresses, "caSecretRef": {"name": secret}}
            }
        });
        let object = serde_json::from_value(object).unwrap();
        let clusters: Api<OpenBaoCluster> = Api::namespaced(self.client.clone(), namespace());
        clusters.create(&PostParams::default(), &object).await.unwrap();
    }

    /// Puts a snapshot with [`KEPT`] into the store, and overwrites the value; gives the snapshot's key.
    pub(crate) async fn lose(&self) -> String {
        let key = format!("clusters/{}/kept.snap", self.name);
        self.scenario.write(KEPT).await.unwrap();
        self.scenario.put(&key, self.scenario.snapshot().await.unwrap()).await.unwrap();
        self.scenario.write(LOST).await.unwrap();
        key
    }

    /// Asks for a restore, with `changes` merged into the spec of the request.
    pub(crate) async fn restore(&self, name: &str, key: &str, changes: &Value) -> Restore {
        let mut request = self.scenario.request(name, key);
        for (field, value) in changes.as_object().into_iter().flatten() {
            request["spec"][field] = value.clone();
        }
        Restore::request(self, name, &request).await
    }

    /// Whole snapshots that were posted to any of the servers.
    pub(crate) fn posts(&self) -> usize {
        self.proxies.iter().map(FaultProxy::posts).sum()
    }

    /// What OpenBao has now, from whoever leads.
    pub(crate) async fn value(&self) -> String {
        let leader = self.outside.leader().await.unwrap();
        let address = &self.outside.nodes[leader].openbao.address;
        eventually("an answer of the leader", async || self.scenario.read_from(address).await.ok()).await
    }
}

/// The pod of a Job.
pub(crate) async fn pod_of(client: &Client, job: &str) -> Pod {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace());
    let found = pods.list(&ListParams::default().labels(&format!("job-name={job}"))).await.unwrap();
    found.items[0].clone()
}

/// Has the node do something to a pod.
pub(crate) fn order(pod: &Pod, fault: &str) {
    cluster().fault(namespace(), &pod.name_any(), fault);
}

pub(crate) async fn eventually<T>(what: &str, question: impl AsyncFnMut() -> Option<T>) -> T {
    cluster().eventually(what, ENDS_WITHIN, question).await
}
