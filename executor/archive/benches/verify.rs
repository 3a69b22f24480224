//! How fast the verifier is beside `sha256sum` of the same file in the same run, and how much memory it takes.
//! `cargo bench -p archive`; the last three lines are the figures.
#![expect(clippy::unwrap_used, reason = "a bench that cannot make its file has nothing to measure")]

use archive::Verifier;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[expect(dead_code, reason = "the builder of the tests makes more than a bench needs")]
#[path = "../src/testing.rs"]
mod testing;

/// 512 values of 1 MiB: large enough that a run takes a second, small enough for any machine.
const VALUES: usize = 512;
const RUNS: usize = 5;
/// What one read of the network brings, about.
const CHUNK: usize = 64 * 1024;
const VERIFY: &str = "--verify";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == VERIFY) {
        let before = peak_memory();
        verify(Path::new(&arguments[at + 1]));
        println!("{}", peak_memory() - before);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.snap");
    std::fs::write(&path, snapshot()).unwrap();

    let pairs: Vec<(f64, f64)> =
        (0..RUNS).map(|_| (seconds(|| verify(&path)), seconds(|| sha256sum(&path)))).collect();
    let bytes = u32::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    let gigabytes = f64::from(bytes) / 1e9;
    let [_, ours, _] = spread(pairs.iter().map(|(ours, _)| gigabytes / ours));
    let [_, theirs, _] = spread(pairs.iter().map(|(_, theirs)| gigabytes / theirs));
    let [least, ratio, most] = spread(pairs.iter().map(|(ours, theirs)| theirs / ours));
    let own =
        Command::new(std::env::current_exe().unwrap()).args([VERIFY.as_ref(), path.as_os_str()]).output();
    let kibibytes: u64 = String::from_utf8(own.unwrap().stdout).unwrap().trim().parse().unwrap();
    println!("verifier {ours:.2} GB/s, sha256sum {theirs:.2} GB/s, one core each, medians of {RUNS}");
    println!("speed, of sha256sum's: {ratio:.2} (from {least:.2} to {most:.2})");
    println!("memory of the verifier: {kibibytes} KiB, growth of the peak while it reads");
}

/// Least, median and most.
fn spread(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]]
}

fn snapshot() -> Vec<u8> {
    let mut records = testing::records();
    let value: Vec<u8> = (0..1_048_576_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let keys = (0..VALUES).map(|at| &*Box::leak(format!("logical/x/{at:06}").into_boxed_str()));
    records.extend(keys.map(|key| (key, value.clone())));
    testing::Parts::of(&testing::state(&records)).object()
}

fn verify(path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut verifier = Verifier::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).unwrap() {
            0 => break,
            read => verifier.push(&chunk[..read]).unwrap(),
        }
    }
    assert!(verifier.finish().unwrap().records > VALUES as u64);
}

fn sha256sum(path: &Path) {
    assert!(Command::new("sha256sum").arg(path).output().unwrap().status.success());
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// `VmHWM` of this process in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
