//! A program as a child: its log, its readiness, its end.

use super::guard;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Lines of a log that an error shows.
const TAIL: usize = 20;
/// Between two questions for readiness.
const POLL: Duration = Duration::from_millis(50);

/// What is to be started.
pub(crate) struct Program<'a> {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Where it keeps what it needs for a while, if not where all programs do.
    pub(crate) scratch: Option<&'a Path>,
    pub(crate) guard: &'a Path,
    /// The log goes to `logs` in it, behind what an earlier start left there.
    pub(crate) folder: &'a Path,
}

/// A child whose output goes to a log, and which does not outlive us.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// What went wrong with a program.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("{name} could not be started: {source}")]
    Start {
        /// The program.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended, which it should not.
    #[error("{name} ended ({status}); the last lines of {}:\n{tail}", log.display())]
    Ended {
        /// The program.
        name: &'static str,
        /// How it ended.
        status: String,
        /// Its whole log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// It runs, but did not get ready in time.
    #[error("{name} was not ready within {within:?}; the last lines of {}:\n{tail}", log.display())]
    NotReady {
        /// The program.
        name: &'static str,
        /// The time it had.
        within: Duration,
        /// Its whole log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
}

impl Process {
    pub(crate) fn start(program: &Program<'_>) -> Result<Self, ProcessError> {
        let name = program.name;
        let log = program.folder.join("logs").join(format!("{name}.log"));
        let spawn = || {
            let output = std::fs::File::options().create(true).append(true).open(&log)?;
            let mut command = guard::command(program.guard, &program.path);
            command.args(&program.arguments).stdin(Stdio::null());
            command.stdout(output.try_clone()?).stderr(output);
            command.envs(program.scratch.map(|folder| ("TMPDIR", folder)));
            // Ctrl-C at a terminal goes to the whole group; the order of the end is ours to decide.
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            Command::from(command).kill_on_drop(true).spawn()
        };
        let child = spawn().map_err(|source| ProcessError::Start { name, source })?;
        Ok(Self { name, child, log })
    }

    /// Waits until a GET of `url` is answered with success.
    pub(crate) async fn ready(
        &mut self,
        client: &reqwest::Client,
        url: &str,
        within: Duration,
    ) -> Result<(), ProcessError> {
        let answers = async {
            while !client.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                sleep(POLL).await;
            }
        };
        let answered = tokio::select! {
            answered = timeout(within, answers) => answered.is_ok(),
            ended = self.ended() => return Err(ended),
        };
        if answered {
            return Ok(());
        }
        Err(ProcessError::NotReady { name: self.name, within, log: self.log.clone(), tail: self.tail() })
    }

    /// Waits for its end and says how it came.
    pub(super) async fn ended(&mut self) -> ProcessError {
        let status = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        ProcessError::Ended { name: self.name, status, log: self.log.clone(), tail: self.tail() }
    }

    /// Ends it. Nothing of it is kept, so it need not put anything in order.
    pub(crate) async fn stop(&mut self) {
        // An error says that it is gone already.
        let _ = self.child.kill().await;
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, what: Signal) {
        if let Some(pid) = self.child.id().and_then(|pid| pid.try_into().ok()) {
            // An error says that it has just ended.
            let _ = kill(Pid::from_raw(pid), what);
        }
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}
