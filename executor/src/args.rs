//! What the pod is told. Everything has the value that the operator's Jobs use.

use clap::Parser;
use std::path::PathBuf;

/// Does the one Task of its pod.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The Task, as JSON: the value of the pod's annotation `openbao.org/task`.
    #[arg(long, env = "TASK", default_value = "")]
    pub(crate) task: String,
    /// File that the Report is written to.
    #[arg(long, default_value = "/dev/termination-log")]
    pub(crate) termination_log: PathBuf,
    /// Folder of the mounted Secret with the credentials of the object store, one file for each key.
    #[arg(long, default_value = "/etc/openbao-recovery/storage")]
    pub(crate) storage_credentials: PathBuf,
}
