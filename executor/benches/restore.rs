//! A restore of 1 GiB beside `curl -T` of the same file to the same server in the same run, all over TLS, and how much
//! memory check and restore take. `cargo bench -p executor`; the last lines are the figures. It fails when a process takes
//! more memory than (concurrency + 1) x partSize + 16 MiB.
#![expect(clippy::unwrap_used, reason = "a bench that cannot make its file has nothing to measure")]

#[path = "../tests/lab/mod.rs"]
mod lab;

#[expect(dead_code, reason = "the builder of the archive's tests makes more than is needed here")]
#[path = "../archive/src/testing.rs"]
mod testing;

use api::task::{Pinned, TaskKind};
use lab::{Ended, Lab, write_snapshot};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// 1 GiB of values.
const VALUES: usize = 1024;
const RUNS: usize = 5;
const MIB: u64 = 1 << 20;
/// At the defaults.
const MOST_MEMORY: u64 = 4 * 10 * MIB + 16 * MIB;

/// What one run took.
struct Run {
    /// `curl -T`, from its start to its end.
    curl: Duration,
    /// The POST of the restore as its server saw it, and that of curl.
    post: Duration,
    curl_post: Duration,
    /// The whole restore: fetched, verified, staged, posted, proved.
    restore: Duration,
    /// The same without verification: `curl -o`, then `curl -T`.
    both: Duration,
    check: Duration,
    /// Most memory of check and restore, in bytes.
    memory: [u64; 2],
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("bench.snap");
    let pinned = write_snapshot(&file, VALUES);
    let lab = Lab::start(&file, true).await;
    std::fs::write(lab.path("ca.pem"), std::fs::read(lab.path("account/ca.crt")).unwrap()).unwrap();
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(run(&lab, &file, &pinned).await);
    }
    tell(&runs, pinned.size);
    let most = runs.iter().flat_map(|run| run.memory).max().unwrap();
    assert!(most <= MOST_MEMORY, "{most} bytes of memory, and at most {MOST_MEMORY} are promised");
}

async fn run(lab: &Lab, file: &Path, pinned: &Pinned) -> Run {
    let curl = put(lab, file).await;
    let curl_post = lab.bao.posts()[0].took;
    lab.bao.reset();
    let fetched = lab.path("fetched");
    let begun = Instant::now();
    let url = format!("{}/snapshots/a.snap", lab.store.address);
    curl_with(lab, &["--output", fetched.to_str().unwrap(), &url]).await;
    put(lab, &fetched).await;
    let both = begun.elapsed();
    std::fs::remove_file(fetched).unwrap();
    lab.bao.reset();

    let check = executor(lab, &lab.task(TaskKind::Check)).await;
    let restore = executor(lab, &lab.restore(pinned.clone())).await;
    let post = lab.bao.posts()[0].took;
    lab.bao.reset();
    std::fs::remove_file(lab.path("staging/snapshot")).unwrap();
    let memory = [check.peak, restore.peak];
    Run { curl, post, curl_post, restore: restore.took, both, check: check.took, memory }
}

async fn executor(lab: &Lab, task: &api::task::Task) -> Ended {
    lab.kubernetes.renew();
    let ended = lab.run(task).end().await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.report);
    ended
}

async fn put(lab: &Lab, file: &Path) -> Duration {
    let begun = Instant::now();
    let url = format!("{}/v1/sys/storage/raft/snapshot", lab.bao.address);
    curl_with(lab, &["--upload-file", file.to_str().unwrap(), &url]).await;
    begun.elapsed()
}

async fn curl_with(lab: &Lab, arguments: &[&str]) {
    let authority: PathBuf = lab.path("ca.pem");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(authority).args(arguments);
    assert!(curl.status().await.unwrap().success(), "curl {arguments:?}");
}

fn tell(runs: &[Run], size: u64) {
    let ratio = |of: fn(&Run) -> Duration, to: fn(&Run) -> Duration| {
        spread(runs.iter().map(|run| of(run).as_secs_f64() / to(run).as_secs_f64()))
    };
    let seconds = |of: fn(&Run) -> Duration| spread(runs.iter().map(|run| of(run).as_secs_f64()))[1];
    println!("{} MiB over TLS, medians of {RUNS} runs (least to most)", size / MIB);
    println!(
        "seconds: curl -T {:.2}, its PUT {:.2}; check {:.2}, restore {:.2}, its POST {:.2}; curl -o and curl -T {:.2}",
        seconds(|run| run.curl),
        seconds(|run| run.curl_post),
        seconds(|run| run.check),
        seconds(|run| run.restore),
        seconds(|run| run.post),
        seconds(|run| run.both),
    );
    for (what, [least, median, most]) in [
        ("POST with verification, of curl's PUT", ratio(|run| run.post, |run| run.curl_post)),
        ("POST with verification, of curl -T", ratio(|run| run.post, |run| run.curl)),
        ("whole restore, of curl -o and curl -T", ratio(|run| run.restore, |run| run.both)),
        ("whole restore, of curl -T alone", ratio(|run| run.restore, |run| run.curl)),
    ] {
        println!("{what}: {median:.2} ({least:.2} to {most:.2})");
    }
    for (what, index) in [("check", 0), ("restore", 1)] {
        let most = runs.iter().map(|run| run.memory[index]).max().unwrap_or_default();
        println!("memory of a {what}: {} KiB, at most {} KiB", most / 1024, MOST_MEMORY / 1024);
    }
}

/// Least, median and most.
fn spread(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]]
}
