//! What the `sandbox` program is told: the plain description of one container.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the node's shared `etc` folder is bound; `/etc` holds links into it, so that volumes fit beside them.
pub const SHARED_ETC: &str = "/.node/etc";

/// One container, ready to be built and run. It travels as JSON on the standard input of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Process id of the node; the sandbox ends at once if it has another parent.
    pub parent: i32,
    /// An empty folder of the host, where the root file system is built in a mount namespace of its own.
    pub root: PathBuf,
    /// The pod's host name.
    pub hostname: String,
    /// User id that the program sees itself as.
    pub uid: u32,
    /// Group id that the program sees itself as.
    pub gid: u32,
    /// The root file system is read-only, and there is no `/tmp` but a mounted one.
    pub read_only_root: bool,
    /// The node's `etc` folder.
    pub etc: PathBuf,
    /// Image files, volumes and the termination log.
    pub binds: Vec<Bind>,
    /// Working folder of the program.
    pub working_dir: PathBuf,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
}

/// A file or folder of the host in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Path on the host.
    pub source: PathBuf,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// Nothing can be written through it.
    pub read_only: bool,
}

impl Sandbox {
    /// The binds with each folder before what lies in it: mounting it later would hide the inner one.
    #[must_use]
    pub fn binds_outside_in(&self) -> Vec<&Bind> {
        let mut binds: Vec<&Bind> = self.binds.iter().collect();
        binds.sort_by_key(|bind| bind.target.components().count());
        binds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_inside_a_volume_is_mounted_after_it() {
        let bind = |target: &str| Bind { source: "/x".into(), target: target.into(), read_only: false };
        let sandbox = Sandbox {
            parent: 1,
            root: "/r".into(),
            hostname: "h".into(),
            uid: 1,
            gid: 1,
            read_only_root: true,
            etc: "/e".into(),
            binds: vec![bind("/data/inner/deep"), bind("/data/inner"), bind("/data")],
            working_dir: "/".into(),
            argv: vec![],
            env: BTreeMap::new(),
        };
        let order: Vec<_> = sandbox.binds_outside_in().iter().map(|bind| bind.target.clone()).collect();
        assert_eq!(order, ["/data", "/data/inner", "/data/inner/deep"].map(PathBuf::from));
    }
}
