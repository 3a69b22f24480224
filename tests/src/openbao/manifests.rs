//! The Kubernetes objects of an OpenBao cluster.

use super::configuration::{Configuration, Sealed};
use super::{IMAGE, NAMESPACE, PORT, Servers};
use certs::issue::Pair;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::Path;

/// What a cluster is made of besides its name and size.
pub(super) struct Material<'a> {
    /// PEM.
    pub(super) authority: &'a str,
    pub(super) leaf: &'a Pair,
    /// 32 octets.
    pub(super) seal_key: &'a str,
    /// On the host; outlives the pods.
    pub(super) data: &'a Path,
    /// Of the Service for humans.
    pub(super) service: Ipv4Addr,
}

/// Everything but the OpenBaoCluster, in the order of making.
pub(super) fn all(servers: &Servers, material: &Material<'_>) -> Vec<Value> {
    let name = servers.name;
    let secret = |suffix: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(&format!("{name}-{suffix}")), "stringData": data});
    let server = json!({
        "tls.crt": material.leaf.certificate, "tls.key": material.leaf.key, "ca.crt": material.authority,
    });
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        secret("tls-ca", json!({"ca.crt": material.authority})),
        secret("tls-server", server),
        secret("seal", json!({"key": material.seal_key})),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&format!("{name}-config")),
            "data": {"bao.hcl": configuration(servers)},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(name),
            "spec": {
                "clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"app": name},
                "ports": [{"name": "api", "port": PORT}],
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(&format!("{name}-api")),
            "spec": {
                "clusterIP": material.service,
                "selector": {"statefulset.kubernetes.io/pod-name": format!("{name}-0")},
                "ports": [{"name": "api", "port": PORT}],
            },
        }),
        stateful_set(servers, material.data),
    ]
}

/// The OpenBaoCluster.
pub(super) fn custom_resource(servers: &Servers) -> Value {
    json!({
        "apiVersion": format!("{}/{}", api::GROUP, api::VERSION), "kind": "OpenBaoCluster",
        "metadata": metadata(servers.name),
        "spec": {"replicas": servers.replicas, "tls": {"enabled": true}},
    })
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": NAMESPACE})
}

/// `POD_IP` and `POD_NAME` are filled in by the container's command: the listener takes no variables.
fn configuration(servers: &Servers) -> String {
    let name = servers.name;
    let nodes = if servers.replicas > 1 { servers.replicas } else { 0 };
    let joins: Vec<String> =
        (0..nodes).map(|node| format!("https://{name}-{node}.{name}.{NAMESPACE}.svc:{PORT}")).collect();
    let url = |port| format!("https://POD_NAME.{name}.{NAMESPACE}.svc:{port}");
    Configuration {
        data: "/openbao/data",
        node: "POD_NAME",
        listen: [&format!("POD_IP:{PORT}"), "POD_IP:8201"],
        urls: [&url(PORT), &url(8201)],
        joins: &joins,
        tls: "/tls",
        seal: Some(Sealed::Static { id: "local", file: "/seal/key" }),
        read_timeout: "15m",
    }
    .render()
}

fn stateful_set(servers: &Servers, data: &Path) -> Value {
    let name = servers.name;
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(name),
        "spec": {
            "serviceName": name, "replicas": servers.replicas, "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "automountServiceAccountToken": false,
                    "terminationGracePeriodSeconds": 10,
                    "containers": [container()],
                    "volumes": [
                        {"name": "config", "configMap": {"name": format!("{name}-config")}},
                        {"name": "tls", "secret": {"secretName": format!("{name}-tls-server")}},
                        {"name": "seal", "secret": {"secretName": format!("{name}-seal")}},
                        {"name": "data", "hostPath": {"path": data, "type": "DirectoryOrCreate"}},
                        {"name": "tmp", "emptyDir": {}},
                    ],
                },
            },
        },
    })
}

fn container() -> Value {
    let field =
        |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let command = "sed -e s/POD_IP/$POD_IP/ -e s/POD_NAME/$POD_NAME/ /config/bao.hcl >/tmp/bao.hcl\n\
                   exec /bao server -config=/tmp/bao.hcl";
    json!({
        "name": "openbao", "image": IMAGE, "command": ["/bin/sh", "-ec", command],
        "env": [
            field("POD_IP", "status.podIP"),
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            // A restore is spooled here.
            {"name": "TMPDIR", "value": "/tmp"},
        ],
        "ports": [{"name": "api", "containerPort": PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/v1/sys/health?standbyok=true", "port": PORT, "scheme": "HTTPS"},
            "periodSeconds": 1,
            // Two busy cores make an answer late, and a late one is no reason to have no server.
            "timeoutSeconds": 5,
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/config", "readOnly": true},
            {"name": "tls", "mountPath": "/tls", "readOnly": true},
            {"name": "seal", "mountPath": "/seal", "readOnly": true},
            {"name": "data", "mountPath": "/openbao/data", "subPathExpr": "$(POD_NAMESPACE)-$(POD_NAME)"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    })
}
