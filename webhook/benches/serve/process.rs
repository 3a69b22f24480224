//! The two servers, and what the kernel says of them.

use certs::issue;
use jiff::{SignedDuration, Timestamp};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const HOST: &str = "127.0.0.1";
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What both serve.
pub(crate) struct Certificate {
    pub(crate) authority: String,
    folder: TempDir,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let (folder, now, day) = (TempDir::new().unwrap(), Timestamp::now(), SignedDuration::from_hours(24));
        let authority = issue::authority("bench", now, day).unwrap();
        let leaf = issue::leaf(&authority, &[HOST.to_owned()], now, day).unwrap();
        std::fs::write(folder.path().join("tls.crt"), leaf.certificate).unwrap();
        std::fs::write(folder.path().join("tls.key"), leaf.key).unwrap();
        Self { authority: authority.certificate, folder }
    }
}

/// A running server. It ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) authority: String,
    pub(crate) ready_ms: f64,
}

impl Server {
    pub(crate) fn ours(certificate: &Certificate) -> Self {
        let [address, health] = ports();
        let mut command = Command::new(env!("CARGO_BIN_EXE_webhook"));
        command.arg("serve").arg("--tls-dir").arg(certificate.folder.path());
        command.args(["--listen-ip", HOST, "--executor-image", "recovery:1"]);
        command.args([format!("--port={}", address.port()), format!("--health-port={}", health.port())]);
        Self::start(command, [address, health], certificate)
    }

    fn start(mut command: Command, [address, health]: [SocketAddr; 2], certificate: &Certificate) -> Self {
        let begin = Instant::now();
        // What the tests set for clusters would give the twin more memory and less work.
        let child = command.env_remove("GOGC").stdout(Stdio::null()).spawn().unwrap();
        while !is_ready(health) {
            assert!(begin.elapsed() < READY_WITHIN, "{command:?} is not ready");
            std::thread::sleep(Duration::from_micros(500));
        }
        let ready_ms = begin.elapsed().as_secs_f64() * 1000.0;
        Self { child, address, authority: certificate.authority.clone(), ready_ms }
    }

    /// Memory that it has now.
    pub(crate) fn memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// Time that it spends on a processor while `work` goes on.
    pub(crate) fn cpu_us(&self, work: impl FnOnce()) -> f64 {
        let before = self.on_processor();
        work();
        (self.on_processor() - before) / 1000.0
    }

    /// Nanoseconds, of all threads.
    fn on_processor(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of_thread = |path: PathBuf| {
            let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|time| time.parse::<f64>().ok()).unwrap_or_default()
        };
        threads.map(|thread| of_thread(thread.unwrap().path())).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server in Go.
pub(crate) struct Twin {
    program: PathBuf,
    folder: TempDir,
}

impl Twin {
    pub(crate) fn build() -> Self {
        let folder = TempDir::new().unwrap();
        let program = folder.path().join("twin");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/twin");
        let mut command = Command::new("go");
        let built = command.args(["build", "-o"]).arg(&program).arg(".").current_dir(source).status();
        assert!(built.unwrap().success(), "{command:?}");
        Self { program, folder }
    }

    pub(crate) fn serve(&self, certificate: &Certificate) -> Server {
        let [address, health] = ports();
        let mut command = Command::new(&self.program);
        command.arg("serve").arg(certificate.folder.path());
        command.args([address.port().to_string(), health.port().to_string()]);
        Server::start(command, [address, health], certificate)
    }

    /// Of one review.
    pub(crate) fn allocations(&self) -> String {
        let file = self.folder.path().join("review");
        std::fs::write(&file, crate::REVIEW).unwrap();
        let output = Command::new(&self.program).arg("count").arg(file).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn is_ready(health: SocketAddr) -> bool {
    let asked = || {
        let mut stream = TcpStream::connect(health)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    asked().is_ok_and(|answer: String| answer.starts_with("HTTP/1.1 200"))
}

fn ports() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((HOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
