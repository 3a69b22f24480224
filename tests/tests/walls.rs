//! The walls of the house: what each crate must never reach, and how large a room may grow.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate, and the packages that must not be in its dependency tree.
const WALLS: [(&str, &[&str]); 8] = [
    ("api", &["tokio", "kube-client"]),
    ("rules", &["tokio", "axum", "kube-client", "tracing"]),
    ("plan", &["tokio", "kube-client", "tracing"]),
    ("archive", &["tokio", "object_store", "kube", "kube-core"]),
    ("certs", &["kube", "kube-core"]),
    ("webhook", &["kube-client", "object_store", "plan"]),
    ("operator", &["object_store", "reqwest"]),
    ("executor", &["kube-client"]),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn packages(krate: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", krate, "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn no_crate_reaches_over_its_wall() {
    for (krate, forbidden) in WALLS {
        let packages = packages(krate);
        assert!(packages.iter().any(|package| package == krate), "cargo tree knows {krate}");
        for package in forbidden {
            assert!(
                !packages.iter().any(|found| found == package),
                "{krate} reaches {package}; `cargo tree -p {krate} -e normal -i {package}` shows the way"
            );
        }
    }
}

/// Two crypto providers in one process end in a panic at the first handshake.
#[test]
fn there_is_one_crypto_provider() {
    for krate in ["webhook", "operator", "executor", "tests"] {
        let packages = packages(krate);
        for other in ["ring", "openssl-sys", "native-tls"] {
            assert!(!packages.iter().any(|package| package == other), "{krate} reaches {other}");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<(PathBuf, usize)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            found.push((path, lines));
        }
    }
}

#[test]
fn files_stay_small() {
    let mut found = Vec::new();
    for room in ["operator", "webhook", "executor", "certs", "tests"] {
        sources(&repository().join(room), &mut found);
    }
    let too_long: Vec<_> = found.iter().filter(|(_, lines)| *lines > 400).collect();
    assert!(too_long.is_empty(), "over 400 lines: {too_long:?}");
    let mut lines: Vec<usize> = found.iter().map(|(_, lines)| *lines).collect();
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median <= 120, "the median of {} files is {median} lines", lines.len());
}
