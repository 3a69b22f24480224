//! The real operator as a process of a test, started as the chart starts it and with its rights, over a [`Line`]; it can
//! be killed at any moment. The chart's own pods of it are sent home first.

use crate::control_plane::guard;
use crate::harness::Cluster;
use crate::line::Line;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Namespace and name of the chart's release.
pub const RELEASE: &str = "openbao-recovery";
const DEPLOYMENT: &str = "openbao-recovery-operator";
const SELECTOR: &str = "app.kubernetes.io/component=operator";
const GONE_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(200);

static STARTED: AtomicU32 = AtomicU32::new(1);

/// What the operator of an installation is started with.
#[derive(Debug)]
pub struct Installed {
    cluster: &'static Cluster,
    guard: PathBuf,
    arguments: Vec<String>,
    token: String,
}

/// A running operator, started anew when it ends by itself, as its Deployment would; it is killed with this value.
#[derive(Debug)]
pub struct Operator {
    child: Arc<Mutex<Child>>,
    keeper: JoinHandle<()>,
    log: PathBuf,
}

impl Installed {
    /// Reads how the chart starts its operators, and ends those. `program` is `env!("CARGO_BIN_EXE_cluster")`.
    ///
    /// # Errors
    /// What kubectl could not do.
    pub async fn take_over(cluster: &'static Cluster, program: &str) -> anyhow::Result<Self> {
        let deployment = kubectl(cluster, &["get", "deployment", DEPLOYMENT, "-n", RELEASE, "-o", "json"])?;
        let deployment: Value = serde_json::from_str(&deployment)?;
        let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        let arguments: Vec<String> = serde_json::from_value(arguments.clone())?;
        kubectl(cluster, &["scale", "deployment", DEPLOYMENT, "-n", RELEASE, "--replicas=0"])?;
        cluster
            .eventually("the chart's operators are gone", GONE_WITHIN, async || {
                let pods = kubectl(cluster, &["get", "pods", "-n", RELEASE, "-l", SELECTOR, "-o", "name"]);
                pods.is_ok_and(|pods| pods.is_empty()).then_some(())
            })
            .await;
        let token = kubectl(cluster, &["create", "token", DEPLOYMENT, "-n", RELEASE, "--duration=24h"])?;
        Ok(Self { cluster, guard: program.into(), arguments, token: token.trim().to_owned() })
    }

    /// Starts one. It stands in an election of its own, so it leads at once: who must not lead beside it is dead.
    /// `variables` are added to its environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, line: &Line, variables: &[(&str, String)]) -> anyhow::Result<Operator> {
        let name = format!("operator-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let folder = self.cluster.folder().join("operators");
        std::fs::create_dir_all(&folder)?;
        let kubeconfig = folder.join(format!("{name}.kubeconfig"));
        std::fs::write(&kubeconfig, self.kubeconfig(line).to_string())?;
        let log = folder.join(format!("{name}.log"));
        let mut command = self.command(&name, &kubeconfig);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let output = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = Arc::new(Mutex::new(command.spawn().context("the operator cannot be started")?));
        let keeper = tokio::spawn(keep(Arc::clone(&child), command));
        Ok(Operator { child, keeper, log })
    }

    fn command(&self, name: &str, kubeconfig: &Path) -> Command {
        let mut command = guard::command(&self.guard, &self.guard.with_file_name("operator"));
        let own = self.arguments.iter().filter(|argument| !argument.starts_with("--lease-name="));
        command.args(own).arg(format!("--lease-name={name}")).arg("--health-port=0");
        command.env_clear().env("KUBECONFIG", kubeconfig).env("POD_IP", "127.0.0.1");
        command.env("POD_NAME", name).env("POD_NAMESPACE", RELEASE);
        command
            .env("RUST_LOG", "debug,hyper=off,rustls=off,h2=off,tower=off,kube_client=off,kube_runtime=off");
        command
    }

    fn kubeconfig(&self, line: &Line) -> Value {
        let server = format!("https://{}", line.address());
        json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "line", "cluster": {"server": server, "certificate-authority": line.authority()}}],
            "users": [{"name": "operator", "user": {"token": self.token}}],
            "contexts": [{"name": "line", "context": {"cluster": "line", "user": "operator"}}],
            "current-context": "line",
        })
    }
}

impl Operator {
    /// SIGKILL, and nothing of it runs when this returns.
    pub fn kill(mut self) {
        self.end();
    }

    /// What it says: JSON lines.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn end(&mut self) {
        self.keeper.abort();
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // An error says that it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// On a busy machine a renewal of its Lease may come too late, and then it ends.
async fn keep(child: Arc<Mutex<Child>>, mut command: Command) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Some(status)) = child.try_wait() {
            eprintln!("an operator has ended by itself ({status}) and is started anew");
            match command.spawn() {
                Ok(next) => *child = next,
                Err(error) => eprintln!("the operator cannot be started anew: {error}"),
            }
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends all of the chart's operators with SIGKILL; their Deployment makes new ones.
///
/// # Errors
/// What kubectl could not do.
pub fn kill_all(cluster: &Cluster) -> anyhow::Result<()> {
    let all = ["delete", "pods", "-n", RELEASE, "-l", SELECTOR, "--force", "--grace-period=0"];
    kubectl(cluster, &all).map(drop)
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) -> anyhow::Result<String> {
    let output = cluster.kubectl(arguments, None);
    ensure!(output.code == 0, "kubectl {arguments:?}: {}", output.stderr);
    Ok(output.stdout)
}
