//! The cluster of a test binary: started by the first test that needs it, used by all, ended with the process.
//!
//! A failure here is a failure of the test, so these functions panic and say where to look.

mod child;
mod lane;
mod ports;
mod sample;

pub use lane::lane;
pub use ports::free_ports;
pub use sample::{Sample, is_soak, sample, some_of};

use crate::cluster::environment;
use crate::openbao::OpenBao;
use crate::tools;
use child::Child;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(100);

static SHARED: OnceLock<Cluster> = OnceLock::new();
static NAMESPACES: AtomicU32 = AtomicU32::new(1);

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    child: Child,
    program: PathBuf,
    folder: PathBuf,
    tools: PathBuf,
    environment: Vec<(String, String)>,
}

/// What a command said.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Cluster {
    /// The cluster of this process: `program` is `env!("CARGO_BIN_EXE_cluster")`, `name` tells its folder from those of
    /// other test binaries, `openbao` is the value of the flag of that name. The first call decides.
    ///
    /// # Panics
    /// When there is no cluster.
    pub fn shared(program: &str, name: &str, openbao: &str) -> &'static Self {
        SHARED.get_or_init(|| Self::start(Path::new(program), name, openbao))
    }

    /// A cluster that ends with this value.
    ///
    /// # Panics
    /// When there is no cluster, with the end of its log.
    #[must_use]
    pub fn start(program: &Path, name: &str, openbao: &str) -> Self {
        Self::watched(program, name, openbao, |_| ())
    }

    /// The same, with the programs of the workspace built first, and shown to a human while it starts.
    ///
    /// # Panics
    /// When there is no cluster, with the end of its log.
    #[must_use]
    pub fn shown(program: &Path, name: &str, openbao: &str) -> Self {
        crate::cluster::built(program, "cluster").unwrap_or_else(|error| panic!("{error}"));
        Self::watched(program, name, openbao, |text| print!("{text}"))
    }

    fn watched(program: &Path, name: &str, openbao: &str, show: impl FnMut(&str)) -> Self {
        // An error says that it is installed already, by another test or by a `main`.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let target = program.ancestors().nth(2).unwrap_or(program);
        let folder = target.join("tmp").join(format!("cluster-{name}"));
        let child = Child::start(program, &folder, openbao);
        child.wait_until_ready(show);
        let text = std::fs::read_to_string(folder.join("env")).unwrap_or_default();
        let tools = tools::find(|_| ()).unwrap_or_else(|error| panic!("{error}"));
        let (program, tools) = (program.to_owned(), tools.folder().to_owned());
        Self { child, program, folder, tools, environment: environment::parse(&text) }
    }

    /// Waits until the cluster ends by itself, as by Ctrl-C.
    pub fn wait(&self) {
        self.child.wait();
    }

    /// Everything of the cluster lies in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program that runs it.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where a program that the cluster is made of is.
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.tools.join(name)
    }

    /// A variable of the cluster's file `env`.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn variable(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(key, _)| key == name);
        found.map_or_else(|| panic!("the cluster's env has no {name}"), |(_, value)| value)
    }

    /// What the API server was asked so far, as it has written it down; a line that it is just writing is left out.
    ///
    /// # Panics
    /// When there is no such log.
    #[must_use]
    pub fn audit(&self) -> Vec<Value> {
        let path = self.folder.join("logs/audit.log");
        let log =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The `OpenBao` cluster `name`.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn openbao(&self, name: &str) -> OpenBao {
        OpenBao::read(&self.folder, name)
            .unwrap_or_else(|error| panic!("OpenBao {name} does not run in this cluster: {error}"))
    }

    /// A client for the caller's runtime, as administrator.
    ///
    /// # Panics
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> kube::Client {
        self.client_of(None).await
    }

    /// The same as somebody else, with no more than that user's rights.
    ///
    /// # Panics
    /// When the kubeconfig cannot be used.
    pub async fn client_as(&self, user: &str) -> kube::Client {
        self.client_of(Some(user)).await
    }

    async fn client_of(&self, user: Option<&str>) -> kube::Client {
        let client = crate::cluster::client(Path::new(self.variable("KUBECONFIG")), user).await;
        client.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs kubectl as administrator, with `input` as its standard input.
    #[must_use]
    pub fn kubectl(&self, arguments: &[&str], input: Option<&str>) -> Output {
        self.kubectl_with_env(arguments, input, &[])
    }

    /// Has the node do this to a pod: `kill`, `freeze`, `thaw` or `lose`, each with a suffix of its own if it is done again.
    ///
    /// # Panics
    /// When there is no such pod.
    pub fn fault(&self, namespace: &str, pod: &str, fault: &str) {
        let ordered = self.try_fault(namespace, pod, fault);
        assert_eq!(ordered.code, 0, "{fault} of {pod}: {}", ordered.stderr);
    }

    /// The same to a pod that may be gone.
    #[must_use]
    pub fn try_fault(&self, namespace: &str, pod: &str, fault: &str) -> Output {
        let annotation = format!("{}={fault}", crate::node::FAULT);
        self.kubectl(&["annotate", "pod", pod, "-n", namespace, "--overwrite", &annotation], None)
    }

    /// The same with more variables.
    #[must_use]
    pub fn kubectl_with_env(
        &self,
        arguments: &[&str],
        input: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Output {
        self.run("kubectl", arguments, input, variables)
    }

    /// Runs helm as administrator.
    #[must_use]
    pub fn helm(&self, arguments: &[&str]) -> Output {
        let home = self.folder.join("helm").display().to_string();
        let own = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"].map(|name| (name, home.as_str()));
        self.run("helm", arguments, None, &own)
    }

    /// Runs the CLI of OpenBao as root of the cluster's first OpenBao.
    #[must_use]
    pub fn bao(&self, arguments: &[&str]) -> Output {
        let own = ["BAO_ADDR", "BAO_CACERT", "BAO_TOKEN"].map(|name| (name, self.variable(name)));
        self.run("bao", arguments, None, &own)
    }

    /// Makes a namespace of a test's own and gives its name.
    ///
    /// # Panics
    /// When the API server refuses it.
    #[must_use]
    pub fn namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
        let output = self.kubectl(&["create", "namespace", &name], None);
        assert_eq!(output.code, 0, "namespace {name}: {}", output.stderr);
        name
    }

    /// Asks every 100 ms until `question` has an answer.
    ///
    /// # Panics
    /// When it has none within `deadline`.
    pub async fn eventually<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut question: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = question().await {
                return answer;
            }
            assert!(
                start.elapsed() < deadline,
                "not within {deadline:?}: {what}; logs: {}/node/logs and {}",
                self.folder.display(),
                self.child.log().display()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    fn run(&self, name: &str, arguments: &[&str], input: Option<&str>, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(self.tool(name));
        command
            .args(arguments)
            .env("KUBECONFIG", self.variable("KUBECONFIG"))
            .envs(variables.iter().copied());
        output(&mut command, input.unwrap_or_default()).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn output(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without reading all of it.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    Ok(Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A condition of an object, as kubectl prints it; null without one.
#[must_use]
pub fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}
