//! The Node object and its Lease.

use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{NodeConfig, Shared};

const RENEWAL: Duration = Duration::from_secs(10);

/// Reports the node as ready and renews its Lease until `stop`.
pub(super) async fn keep(shared: &Shared, stop: &CancellationToken) {
    let mut ticks = interval(RENEWAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = announce(&shared.client, &shared.config).await {
            tracing::warn!(node = shared.config.name, %error, "node not renewed; tried again in 10 s");
        }
    }
}

/// Writes the Node, its status and its Lease.
pub(super) async fn announce(client: &Client, config: &NodeConfig) -> Result<(), kube::Error> {
    let name = &config.name;
    let nodes: Api<Node> = Api::all(client.clone());
    let apply = PatchParams::apply("kubelet").force();
    nodes.patch(name, &apply, &Patch::Apply(node(name))).await?;
    nodes.patch_status(name, &apply, &Patch::Apply(status(name, Timestamp::now()))).await?;
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    leases.patch(name, &apply, &Patch::Apply(lease(name, Timestamp::now()))).await?;
    Ok(())
}

fn node(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture(),
        }},
    })
}

/// The name that Kubernetes has for this machine's architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn status(name: &str, now: Timestamp) -> serde_json::Value {
    let amounts = json!({"cpu": "8", "memory": "16Gi", "pods": "500", "ephemeral-storage": "100Gi"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [
                {"type": "InternalIP", "address": Ipv4Addr::LOCALHOST},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady",
                "message": "the process node runs", "lastHeartbeatTime": now.strftime("%FT%TZ").to_string(),
            }],
        },
    })
}

fn lease(name: &str, now: Timestamp) -> serde_json::Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": 40,
            "renewTime": now.strftime("%FT%T.%6fZ").to_string(),
        },
    })
}
