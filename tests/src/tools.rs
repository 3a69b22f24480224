//! The programs that a cluster is made of: etcd, the Kubernetes control plane, kubectl, helm and OpenBao, each in
//! exactly the pinned version, in one folder.
//!
//! The folder is a cache named by a hash of the pins. What is missing in it is taken from this machine if the version
//! is the pinned one, else built with Go (or, OpenBao, installed with pip), once.

mod build;
mod machine;
mod pins;

use pins::{FAKETIME, OLDER_OPENBAO, TOOLS, Tool};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A folder with every tool in it.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The folder, for a PATH.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the program `name` is.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Why there are no tools. What was already built stays in the cache, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// A program that builds or installs the tools is not here, or too old.
    #[error("{program} is needed to make the tools of the local cluster: {how}")]
    Missing {
        /// What is needed, with its version.
        program: &'static str,
        /// How to get it.
        how: String,
    },
    /// A build or an installation failed. Its own output stands above.
    #[error("`{command}` failed ({status}); its output is above; the next run tries again")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
    },
    /// The package or module has no such file.
    #[error("{0} was installed, but is not where its package keeps it; check the pin in tests/tools")]
    Absent(&'static str),
    /// A pin is missing in `go.mod` or `requirements.txt`.
    #[error("tests/tools pins no version of {0}")]
    Unpinned(&'static str),
    /// There is no folder to keep them in.
    #[error("neither XDG_CACHE_HOME nor HOME is set, so there is no cache folder; set one of them")]
    NoCache,
    /// The cache cannot be written.
    #[error("{}: {source}; check the folder's rights and the free space (6 GB)", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The tools, made first if need be; `say` is told what is done and what it costs, before it is done.
pub fn find(say: impl FnMut(&str)) -> Result<Tools, ToolsError> {
    find_all(&TOOLS, say)
}

/// An OpenBao older than the clusters' own, made first if need be.
pub fn older_openbao(say: impl FnMut(&str)) -> Result<PathBuf, ToolsError> {
    Ok(find_all(&[OLDER_OPENBAO], say)?.program(OLDER_OPENBAO.name))
}

/// A library that, preloaded, gives a program another clock; made first if need be.
pub fn faketime(say: impl FnMut(&str)) -> Result<PathBuf, ToolsError> {
    Ok(find_all(&[FAKETIME], say)?.program(FAKETIME.name))
}

fn find_all(wanted: &[Tool], mut say: impl FnMut(&str)) -> Result<Tools, ToolsError> {
    let home = cache()?.join(pins::digest());
    let tools = Tools { folder: home.join("bin") };
    let is_missing = |tool: &&Tool| !tools.program(tool.name).exists();
    if !wanted.iter().any(|tool| is_missing(&tool)) {
        return Ok(tools);
    }
    std::fs::create_dir_all(&tools.folder).map_err(at(&tools.folder))?;
    let _lock = lock(&home.join("lock"), &mut say)?;
    let missing: Vec<&Tool> = wanted.iter().filter(is_missing).collect();
    for tool in missing {
        make(tool, &tools, &home, &mut say)?;
    }
    Ok(tools)
}

fn make(tool: &Tool, tools: &Tools, home: &Path, say: &mut impl FnMut(&str)) -> Result<(), ToolsError> {
    let version = tool.version()?;
    let partial = home.join(format!("{}.partial", tool.name));
    if let Some(found) = machine::find(tool, version) {
        say(&format!("Taking {} {version} from {}", tool.name, found.display()));
        std::fs::copy(&found, &partial).map_err(at(&partial))?;
    } else {
        say(&format!("Making {} {version}: {}, once; kept in {}", tool.name, tool.cost, home.display()));
        let start = Instant::now();
        build::build(tool, version, &partial)?;
        say(&format!("Made {} in {} s", tool.name, start.elapsed().as_secs()));
    }
    let program = tools.program(tool.name);
    std::fs::rename(&partial, &program).map_err(at(&program))
}

/// Held while tools are made, so that two processes do not build at once. The system releases it at our end.
fn lock(path: &Path, say: &mut impl FnMut(&str)) -> Result<File, ToolsError> {
    let file = File::create(path).map_err(at(path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => say("Waiting for another process that makes the same tools"),
        Err(TryLockError::Error(error)) => return Err(at(path)(error)),
    }
    file.lock().map_err(at(path))?;
    Ok(file)
}

fn cache() -> Result<PathBuf, ToolsError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("openbao-recovery"))
        .ok_or(ToolsError::NoCache)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ToolsError {
    let path = path.to_owned();
    move |source| ToolsError::Io { path, source }
}
