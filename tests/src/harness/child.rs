//! `cluster up` as a child of a test binary.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// It says when it begins with each program and tool. With cold caches the longest takes seven minutes on two cores, and
/// several times that on a busy machine.
const LONGEST_SILENCE: Duration = Duration::from_mins(25);
/// What the program says when all is ready.
const READY: &str = "ready in ";
const POLL: Duration = Duration::from_millis(100);

/// The process, and the file that has its output.
#[derive(Debug)]
pub(super) struct Child {
    process: Mutex<std::process::Child>,
    log: PathBuf,
}

impl Child {
    /// Starts it. It ends when this process has ended, also when that is killed.
    pub(super) fn start(program: &Path, folder: &Path, openbao: &str) -> Self {
        let log = folder.with_extension("log");
        let spawn = || {
            std::fs::create_dir_all(folder)?;
            let output = File::create(&log)?;
            let mut command = Command::new(program);
            command.args(["up", "--openbao", openbao, "--folder"]).arg(folder);
            command.arg("--parent").arg(std::process::id().to_string());
            command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()
        };
        let process = spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        eprintln!("starting a cluster in {}; its output is in {}", folder.display(), log.display());
        Self { process: Mutex::new(process), log }
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Whatever it says until then is given to `show`, once.
    pub(super) fn wait_until_ready(&self, mut show: impl FnMut(&str)) {
        let (mut heard, mut shown) = (Instant::now(), 0);
        loop {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let whole = said.rfind('\n').map_or(0, |end| end + 1);
            if whole > shown {
                heard = Instant::now();
            }
            show(said.get(shown..whole).unwrap_or_default());
            shown = whole;
            if said[..whole].lines().any(|line| line.starts_with(READY)) {
                return;
            }
            let ended = self.ended();
            assert!(ended.is_none(), "no cluster ({ended:?}); it said:\n{said}");
            assert!(heard.elapsed() < LONGEST_SILENCE, "silent for {LONGEST_SILENCE:?}; it said:\n{said}");
            std::thread::sleep(POLL);
        }
    }

    /// Waits until it ends by itself: Ctrl-C reaches it too.
    pub(super) fn wait(&self) {
        while self.ended().is_none() {
            std::thread::sleep(POLL);
        }
    }

    fn ended(&self) -> Option<ExitStatus> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.try_wait().ok().flatten()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Ok(pid) = process.id().try_into() {
            // An error says that it has ended already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = process.wait();
    }
}
