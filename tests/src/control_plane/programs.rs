//! The command lines of etcd, kube-apiserver and kube-controller-manager.

use super::Slot;
use super::slot::Ports;
use std::path::Path;

/// Who did what; with bodies only where the lock of a cluster is written.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Request, verbs: [patch], resources: [{group: openbao.org, resources: [openbaoclusters/status]}]}
  - {level: Metadata}
";

/// Where everything of one control plane is.
pub(super) struct Layout<'a> {
    pub(super) folder: &'a Path,
    pub(super) slot: &'a Slot,
    pub(super) ports: Ports,
}

impl Layout<'_> {
    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(super) fn etcd(&self) -> Vec<String> {
        let (client, peer) = (self.ports.etcd_client, self.ports.etcd_peer);
        vec![
            format!("--data-dir={}", self.file("etcd")),
            // Its data need not survive the machine.
            "--unsafe-no-fsync".to_owned(),
            format!("--listen-client-urls=http://{client}"),
            format!("--advertise-client-urls=http://{client}"),
            format!("--listen-peer-urls=http://{peer}"),
            format!("--initial-advertise-peer-urls=http://{peer}"),
            format!("--initial-cluster=default=http://{peer}"),
            "--log-level=warn".to_owned(),
        ]
    }

    pub(super) fn api_server(&self) -> std::io::Result<Vec<String>> {
        let policy = self.file("pki/audit-policy.yaml");
        std::fs::write(&policy, AUDIT_POLICY)?;
        let address = self.ports.api_server;
        Ok(vec![
            format!("--etcd-servers=http://{}", self.ports.etcd_client),
            format!("--bind-address={}", address.ip()),
            // Else it looks for a route to the outside, which a laptop may not have.
            format!("--advertise-address={}", address.ip()),
            format!("--secure-port={}", address.port()),
            format!("--tls-cert-file={}", self.file("pki/server.crt")),
            format!("--tls-private-key-file={}", self.file("pki/server.key")),
            format!("--service-cluster-ip-range={}/20", self.slot.service_address(0)),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", self.file("pki/tokens.csv")),
            "--anonymous-auth=false".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", self.file("pki/service-accounts.pub")),
            format!("--service-account-signing-key-file={}", self.file("pki/service-accounts.key")),
            format!("--service-account-jwks-uri=https://{address}/openid/v1/jwks"),
            format!("--audit-policy-file={policy}"),
            format!("--audit-log-path={}", self.file("logs/audit.log")),
            // There are no endpoints on loopback: the API refuses them.
            "--endpoint-reconciler-type=none".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--profiling=false".to_owned(),
        ])
    }

    pub(super) fn controller_manager(&self) -> Vec<String> {
        let address = self.ports.controller_manager;
        let kubeconfig = self.file("pki/controller-manager.kubeconfig");
        vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            format!("--bind-address={}", address.ip()),
            format!("--secure-port={}", address.port()),
            format!("--tls-cert-file={}", self.file("pki/server.crt")),
            format!("--tls-private-key-file={}", self.file("pki/server.key")),
            "--leader-elect=false".to_owned(),
            format!("--service-account-private-key-file={}", self.file("pki/service-accounts.key")),
            // An account for each controller would take 5 s more until the first ServiceAccount is there.
            "--use-service-account-credentials=false".to_owned(),
            format!("--root-ca-file={}", self.file("pki/ca.crt")),
            // The API refuses endpoints on loopback; these three would try again and again.
            "--controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller"
                .to_owned(),
            "--kube-api-qps=200".to_owned(),
            "--kube-api-burst=400".to_owned(),
            "--profiling=false".to_owned(),
        ]
    }
}
