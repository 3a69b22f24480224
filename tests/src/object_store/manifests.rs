//! The Kubernetes objects of the object store.

use super::{BUCKET, IMAGE, NAME, NAMESPACE, PORT};
use certs::issue::Pair;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::Path;

/// What a store is made of.
pub(super) struct Material<'a> {
    pub(super) leaf: &'a Pair,
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    /// On the host; outlives the pod.
    pub(super) data: &'a Path,
    pub(super) service: Ipv4Addr,
}

/// Everything, in the order of making.
pub(super) fn all(material: &Material<'_>) -> Vec<Value> {
    let metadata = json!({"name": NAME, "namespace": NAMESPACE});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata,
            "stringData": {
                "tls.crt": material.leaf.certificate, "tls.key": material.leaf.key,
                "accessKeyId": material.access_key, "secretAccessKey": material.secret_key,
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"clusterIP": material.service, "selector": {"app": NAME}, "ports": [{"name": "s3", "port": PORT}]},
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": {"app": NAME}},
                // Two at once would write one folder.
                "strategy": {"type": "Recreate"},
                "template": {
                    "metadata": {"labels": {"app": NAME}},
                    "spec": {
                        "automountServiceAccountToken": false,
                        "terminationGracePeriodSeconds": 1,
                        "containers": [container()],
                        "volumes": [
                            {"name": "tls", "secret": {"secretName": NAME}},
                            {"name": "data", "hostPath": {"path": material.data, "type": "DirectoryOrCreate"}},
                        ],
                    },
                },
            },
        }),
    ]
}

fn container() -> Value {
    let key = |name: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": NAME, "key": key}}});
    json!({
        "name": "object-store", "image": IMAGE,
        "command": ["/object-store"],
        "args": ["--folder=/data", "--tls-dir=/tls", format!("--bucket={BUCKET}"), format!("--port={PORT}")],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            key("ACCESS_KEY", "accessKeyId"),
            key("SECRET_KEY", "secretAccessKey"),
        ],
        "ports": [{"name": "s3", "containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "tls", "mountPath": "/tls", "readOnly": true},
            {"name": "data", "mountPath": "/data"},
        ],
    })
}
