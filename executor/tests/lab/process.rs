//! The executor as a process of its own, and how much memory it took.

use api::task::Report;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two looks at its memory.
const LOOK: Duration = Duration::from_millis(5);

/// One that runs.
pub(crate) struct Executor {
    child: Child,
    begun: Instant,
    folder: std::path::PathBuf,
    peak: Arc<Mutex<Peak>>,
    watch: JoinHandle<()>,
}

/// One that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// What it left in its termination log.
    pub(crate) report: Report,
    pub(crate) took: Duration,
    /// The most memory that it had, in bytes.
    pub(crate) peak: u64,
    /// The most of it that is no file's, so not the program itself, which is large before it is optimised.
    pub(crate) anonymous: u64,
}

/// The most memory of a process so far, in KiB.
#[derive(Clone, Copy, Default)]
struct Peak {
    all: u64,
    anonymous: u64,
}

impl Executor {
    pub(crate) fn start(folder: &Path, port: u16, task: &str) -> Self {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_executor"))
            .args(["--task", task, "--pod-uid", "pod", "--kubernetes-host", "127.0.0.1"])
            .args(["--kubernetes-port", &port.to_string(), "--storage-allow-cidrs", "127.0.0.0/8"])
            // Nobody listens there: what goes by a proxy fails.
            .envs(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:1")))
            .arg("--service-account")
            .arg(folder.join("account"))
            .arg("--mounts")
            .arg(folder.join("mounts"))
            .arg("--staging")
            .arg(folder.join("staging"))
            .arg("--termination-log")
            .arg(folder.join("termination-log"))
            .stdout(log)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let peak = Arc::new(Mutex::new(Peak::default()));
        let watch = watch(child.id(), Arc::clone(&peak));
        Self { child, begun: Instant::now(), folder: folder.to_owned(), peak, watch }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as the kernel does, without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; not on a thread of the runtime.
    pub(crate) async fn end(mut self) -> Ended {
        tokio::task::spawn_blocking(move || {
            let status = self.child.wait().unwrap();
            let took = self.begun.elapsed();
            self.watch.join().unwrap();
            let text = std::fs::read_to_string(self.folder.join("termination-log")).unwrap();
            let report = Report::parse(&text).unwrap();
            let Peak { all, anonymous } = *self.peak.lock().unwrap();
            Ended { code: status.code(), report, took, peak: all * 1024, anonymous: anonymous * 1024 }
        })
        .await
        .unwrap()
    }
}

/// Sends it a signal, such as `TERM`.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(sent.success(), "{name}");
}

/// Reads what the kernel says until the process is gone. It keeps no high-water mark of the anonymous part.
fn watch(process: u32, peak: Arc<Mutex<Peak>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while let Some(now) = memory(process) {
            let mut peak = peak.lock().unwrap();
            *peak = Peak { all: now.all, anonymous: now.anonymous.max(peak.anonymous) };
            drop(peak);
            std::thread::sleep(LOOK);
        }
    })
}

/// Of a process that lives: one that has only not been waited for has no memory any more.
fn memory(process: u32) -> Option<Peak> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let figure = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some(Peak { all: figure("VmHWM:")?, anonymous: figure("RssAnon:")? })
}
