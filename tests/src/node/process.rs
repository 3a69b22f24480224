//! The processes of containers: started through the `sandbox` program, found and signalled through /proc.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::sandbox::Sandbox;

/// A running container: the outer stage of its sandbox.
pub(super) struct Process {
    child: Child,
    pid: i32,
}

impl Process {
    /// Starts the container; its output is appended to `output`.
    pub(super) async fn start(program: &Path, sandbox: &Sandbox, output: &Path) -> io::Result<Self> {
        let log = fs::File::options().create(true).append(true).open(output)?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C at the terminal is for the node, which then ends its containers in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid =
            child.id().and_then(|id| id.try_into().ok()).ok_or_else(|| io::Error::other("no process id"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ended early says why by its exit code.
            stdin.write_all(&serde_json::to_vec(sandbox)?).await.ok();
        }
        Ok(Self { child, pid })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for the end and gives its code, 128 + n for signal n. It may be dropped and called again.
    pub(super) async fn wait(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        match self.child.wait().await {
            Ok(status) => status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255),
            Err(_) => 255,
        }
    }

    pub(super) fn terminate(&self) {
        signal(self.pid, Signal::SIGTERM);
    }

    pub(super) fn kill(&self) {
        kill_container(self.pid);
    }
}

/// Marks a start in the output of a container and tells where what follows begins.
pub(super) fn mark_start(output: &Path, restarts: i32, now: Timestamp) -> io::Result<u64> {
    use std::io::Write;
    let mut log = fs::File::options().create(true).append(true).open(output)?;
    writeln!(log, "--- start {} at {now}", restarts + 1)?;
    Ok(log.metadata()?.len())
}

/// Kills the first process of the container, and with it all others; its outer stage ends with 137. A container that
/// has no process yet is killed by its outer stage.
pub(super) fn kill_container(outer: i32) {
    let parents = parents();
    let inner: Vec<i32> =
        parents.iter().filter(|(_, parent)| *parent == outer).map(|(process, _)| *process).collect();
    for process in &inner {
        signal(*process, Signal::SIGKILL);
    }
    if inner.is_empty() {
        signal(outer, Signal::SIGKILL);
    }
}

/// Stops (SIGSTOP) or continues (SIGCONT) every process of the container.
pub(super) fn signal_container(outer: i32, what: Signal) {
    for process in descendants(outer, &parents()) {
        signal(process, what);
    }
}

fn signal(process: i32, what: Signal) {
    // A process that has just ended needs no signal.
    kill(Pid::from_raw(process), what).ok();
}

/// Every process with its parent.
fn parents() -> Vec<(i32, i32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            Some((process, parent(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
        })
        .collect()
}

/// The parent in a line of `/proc/N/stat`; the name before it may hold spaces and brackets.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Every process below `root`, parents first.
fn descendants(root: i32, parents: &[(i32, i32)]) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_hide_the_parent() {
        assert_eq!(parent("7 (a) b (c) S 3 7 7 0"), Some(3));
    }

    #[test]
    fn descendants_are_of_all_generations_and_no_others() {
        let parents = [(2, 1), (3, 2), (4, 3), (5, 1), (9, 8)];
        assert_eq!(descendants(2, &parents), [3, 4]);
        assert_eq!(descendants(1, &parents), [2, 5, 3, 4]);
    }
}
