//! Tools that this machine has already, if they are exactly the pinned version.

use super::pins::Tool;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// A program of the pinned version in `KUBEBUILDER_ASSETS` or PATH.
pub(super) fn find(tool: &Tool, version: &str) -> Option<PathBuf> {
    if tool.version_arguments.is_empty() {
        return None;
    }
    folders().map(|folder| folder.join(tool.name)).filter(|program| program.is_file()).find(|program| {
        let output = Command::new(program).args(tool.version_arguments).output();
        output.is_ok_and(|output| says(&String::from_utf8_lossy(&output.stdout), version))
    })
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let list = |name| std::env::var_os(name).unwrap_or_else(OsString::new);
    let assets = PathBuf::from(list("KUBEBUILDER_ASSETS"));
    let path: Vec<PathBuf> = std::env::split_paths(&list("PATH")).collect();
    std::iter::once(assets).chain(path).filter(|folder| folder.is_absolute())
}

/// Whether a word of `output` is this version; build metadata (`+...`) and a leading `v` do not count.
fn says(output: &str, version: &str) -> bool {
    output.split_whitespace().any(|word| {
        let word = word.strip_prefix('v').unwrap_or(word);
        word.split('+').next() == Some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::says;

    /// A near version would make a cluster that the tests were not written for.
    #[test]
    fn only_the_exact_version_fits() {
        for (output, fits) in [
            ("Kubernetes v1.36.3", true),
            ("v1.36.3+g0123abc", true),
            ("etcd Version: 1.36.3\nGit SHA: x", true),
            ("Client Version: v1.36.30", false),
            ("Kubernetes v1.36.3-rc.1", false),
            ("", false),
        ] {
            assert_eq!(says(output, "1.36.3"), fits, "{output}");
        }
    }
}
