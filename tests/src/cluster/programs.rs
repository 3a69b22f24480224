//! The programs of this workspace, beside the one that runs.

use super::{ClusterError, io_error, report};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where cargo puts what it builds in the development profile.
const DEVELOPMENT: &str = "debug";

/// The folder with the programs of one profile.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    cluster: PathBuf,
}

impl Programs {
    /// The running program's folder.
    pub(super) fn beside_us() -> Result<Self, ClusterError> {
        let us = Path::new("/proc/self/exe");
        Ok(Self::beside(&std::env::current_exe().map_err(io_error(us))?))
    }

    /// The folder of the program `cluster`.
    pub(super) fn beside(cluster: &Path) -> Self {
        Self { folder: cluster.parent().unwrap_or(cluster).to_owned(), cluster: cluster.to_owned() }
    }

    /// The program `name`.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The running program, which has the subcommand `guard`.
    pub(super) fn cluster(&self) -> &Path {
        &self.cluster
    }

    /// The folder of a cluster, absolute; `cluster` in the target folder if none is named.
    pub(super) fn folder(&self, named: Option<&Path>) -> Result<PathBuf, ClusterError> {
        let folder = named.map_or_else(|| self.target().join("cluster"), Path::to_owned);
        std::path::absolute(&folder).map_err(io_error(&folder))
    }

    fn target(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// Builds all programs of the workspace, in the profile and target folder of the running one.
    pub(super) fn build(&self) -> Result<(), ClusterError> {
        report::say(
            "Building the programs of this workspace: minutes at first, a second when nothing changed",
        );
        let profile = self.folder.file_name().filter(|name| *name != DEVELOPMENT);
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command
            .args(["build", "--quiet", "--locked", "--workspace", "--bins", "--target-dir"])
            .arg(self.target());
        command.arg("--profile").arg(profile.unwrap_or("dev".as_ref()));
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let failed = |status: String| ClusterError::Command {
            command: "cargo build --workspace --bins".to_owned(),
            status,
            output: "its output is above".to_owned(),
        };
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(status.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}
