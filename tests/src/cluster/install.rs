//! Installs the chart as a user would.

use super::{ClusterError, images};
use crate::tools::Tools;
use std::path::Path;
use tokio::process::Command;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/chart");
/// What stores may be called: loopback, where everything of this cluster listens, and one more.
pub const STORAGE_NETWORKS: &str = "127.0.0.0/8,10.0.0.0/8";
/// Name of the release, and of its namespace.
const RELEASE: &str = "openbao-recovery";

/// Installs the chart and waits until admission answers. `home` keeps helm's own files out of the user's.
pub(super) async fn chart(tools: &Tools, kubeconfig: &Path, home: &Path) -> Result<(), ClusterError> {
    let mut command = Command::new(tools.program("helm"));
    command.args(["install", RELEASE, CHART, "--namespace", RELEASE, "--create-namespace"]);
    command.args(["--wait", "--timeout", "120s"]);
    command.arg("--set").arg(format!("image.repository={},image.tag={}", images::REPOSITORY, images::TAG));
    command.arg("--set").arg(format!("storage.allowCIDRs={{{STORAGE_NETWORKS}}}"));
    // The node has no right to listen on ports below 1024.
    command.args(["--set", "webhook.service.port=8443"]);
    command.env("KUBECONFIG", kubeconfig);
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, home.join("helm"));
    }
    let failed = |status: String, output: String| ClusterError::Command {
        command: format!("helm install {RELEASE} deploy/chart"),
        status,
        output,
    };
    let output = command
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(error.to_string(), String::new()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let hint = "the logs of its pods are in node/logs of the cluster's folder";
    Err(failed(output.status.to_string(), format!("{text}{hint}")))
}
