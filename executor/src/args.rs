//! What the pod is told. Everything has the value that the operator's Jobs use.

use api::names;
use clap::Parser;
use rules::address::Networks;
use std::path::PathBuf;

/// Does the one Task of its pod.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The Task, as JSON: the value of the pod's annotation `openbao.org/task`.
    #[arg(long, env = "TASK", default_value = "")]
    pub(crate) task: String,
    /// UID of this pod, by which it claims its ticket.
    #[arg(long, env = "POD_UID", default_value = "")]
    pub(crate) pod_uid: String,
    /// Host of the API server.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", default_value = "kubernetes.default.svc")]
    pub(crate) kubernetes_host: String,
    /// Port of the API server.
    #[arg(long, env = "KUBERNETES_SERVICE_PORT", default_value_t = 443)]
    pub(crate) kubernetes_port: u16,
    /// Networks that stores may be in, comma separated, as the webhook is told; empty: every public and private one.
    #[arg(long, env = names::STORAGE_ALLOW_CIDRS, value_name = "CIDRS", default_value = "")]
    pub(crate) storage_allow_cidrs: Networks,
    /// Folder with `token` and `ca.crt` for the API server.
    #[arg(long, default_value = "/var/run/secrets/kubernetes.io/serviceaccount")]
    pub(crate) service_account: PathBuf,
    /// Folder of the mounted Secrets: `storage`, `openbao-ca`, and `jwt` or `token`.
    #[arg(long, default_value = "/etc/openbao-recovery")]
    pub(crate) mounts: PathBuf,
    /// Folder that has room for the snapshot.
    #[arg(long, default_value = "/staging")]
    pub(crate) staging: PathBuf,
    /// File that the Report is written to.
    #[arg(long, default_value = "/dev/termination-log")]
    pub(crate) termination_log: PathBuf,
}
