//! One server.

use super::{Seal, Settings};
use crate::control_plane::process::{Process, Program};
use crate::openbao::OpenBao;
use crate::openbao::configuration::{Configuration, Sealed};
use anyhow::Context;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Measured: 0.2 s.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);
/// Far less than any of its steps takes.
const LOOK: Duration = Duration::from_millis(5);
/// Any state that a server can be in is an answer.
const HEALTH: &str = "v1/sys/health?standbyok=true&sealedcode=200&uninitcode=200";

/// A server that runs, or can be started.
#[derive(Debug)]
pub struct Node {
    /// How it is used by its own address; the token is the first server's matter.
    pub openbao: OpenBao,
    folder: PathBuf,
    program: PathBuf,
    guard: PathBuf,
    process: Option<Process>,
}

/// What the servers of a cluster have in common.
pub(super) struct Kind<'a> {
    pub(super) settings: &'a Settings,
    pub(super) folder: &'a Path,
    pub(super) program: &'a Path,
    pub(super) guard: &'a Path,
}

impl Kind<'_> {
    /// Folders and configurations of all servers; each has two of the ports.
    pub(super) fn nodes(&self, ports: &[u16]) -> std::io::Result<Vec<Node>> {
        let urls: Vec<String> =
            ports.chunks(2).map(|ports| format!("https://127.0.0.1:{}", ports[0])).collect();
        let nodes = ports.chunks(2).zip(&urls).enumerate();
        nodes.map(|(number, (ports, url))| self.node(number, ports, url, &urls)).collect()
    }

    fn node(&self, number: usize, ports: &[u16], url: &str, urls: &[String]) -> std::io::Result<Node> {
        let name = format!("node-{number}");
        let folder = self.folder.join(&name);
        for part in ["data", "tmp", "logs"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let seal_key = self.folder.join("seal.key").display().to_string();
        let others: Vec<String> = urls.iter().filter(|other| *other != url).cloned().collect();
        let configuration = Configuration {
            data: &folder.join("data").display().to_string(),
            node: &name,
            listen: [&format!("127.0.0.1:{}", ports[0]), &format!("127.0.0.1:{}", ports[1])],
            urls: [
                if self.settings.is_one_address { &urls[0] } else { url },
                &format!("https://127.0.0.1:{}", ports[1]),
            ],
            // The first server is initialised; it joins nobody.
            joins: if number == 0 { &[] } else { &others },
            tls: &self.folder.display().to_string(),
            seal: match &self.settings.seal {
                Seal::Shamir => None,
                Seal::Static { id, .. } => Some(Sealed::Static { id, file: &seal_key }),
                Seal::Transit { address, token, authority } => Some(Sealed::Transit {
                    address,
                    token,
                    authority: authority.to_str().unwrap_or_default(),
                }),
            },
            read_timeout: self.settings.read_timeout,
        };
        std::fs::write(folder.join("bao.hcl"), configuration.render())?;
        let openbao = OpenBao {
            address: url.to_owned(),
            authority: self.folder.join("ca.crt"),
            root_token: String::new(),
            recovery_keys: Vec::new(),
        };
        let (program, guard) = (self.program.to_owned(), self.guard.to_owned());
        Ok(Node { openbao, folder, program, guard, process: None })
    }
}

impl Node {
    /// Starts it, for the first time or again, and waits until it answers.
    ///
    /// # Errors
    /// When it does not, with the end of its log.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let mut process = Process::start(&Program {
            name: "bao",
            path: self.program.clone(),
            arguments: vec![
                "server".to_owned(),
                format!("-config={}", self.folder.join("bao.hcl").display()),
            ],
            scratch: Some(&self.folder.join("tmp")),
            guard: &self.guard,
            folder: &self.folder,
        })?;
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&self.openbao.authority)?)?;
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build()?;
        process.ready(&http, &format!("{}/{HEALTH}", self.openbao.address), ANSWERS_WITHIN).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Everything of it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its volume.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// SIGKILL, and waits for its end.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop().await;
        }
    }

    /// SIGSTOP.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What it has written, over all its starts.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log(&self) -> std::io::Result<String> {
        std::fs::read_to_string(self.folder.join("logs/bao.log"))
    }

    /// Waits until it has written `text`, and tells within milliseconds.
    ///
    /// # Errors
    /// When it has not in time, or its log cannot be read.
    pub async fn logged(&self, text: &str) -> anyhow::Result<()> {
        let logged = async {
            while !self.log()?.contains(text) {
                sleep(LOOK).await;
            }
            Ok(())
        };
        timeout(ANSWERS_WITHIN, logged).await.with_context(|| format!("its log never said {text:?}"))?
    }

    fn signal(&self, what: Signal) {
        if let Some(process) = &self.process {
            process.signal(what);
        }
    }
}
