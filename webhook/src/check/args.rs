//! Flags of `webhook check`.

use crate::args::CommonArgs;
use clap::ValueEnum;
use std::path::PathBuf;

/// The image that the chart gives to requests which name none, unless its values say otherwise.
const EXECUTOR_IMAGE: &str = concat!("ghcr.io/openbao-recovery/openbao-recovery:", env!("CARGO_PKG_VERSION"));

/// What is to be judged, and how that is told.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 all is admitted, 1 something is refused, 2 something could not be read."
)]
pub(crate) struct CheckArgs {
    /// Manifests, YAML or JSON: files, folders with all below them, or - for the standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Manifests of before: an object that is there too is judged as an update of that one.
    #[arg(long, value_name = "FILE")]
    pub(crate) old: Vec<PathBuf>,
    /// Namespace of objects that name none.
    #[arg(long, short, default_value = "default")]
    pub(crate) namespace: String,
    /// How findings are written.
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Exit with 1 for warnings too.
    #[arg(long)]
    pub(crate) warnings_as_errors: bool,
    /// Executor image of a restore that names none.
    #[arg(long, env = "EXECUTOR_IMAGE", default_value = EXECUTOR_IMAGE)]
    pub(crate) executor_image: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each finding, for humans and editors.
    Text,
    /// Every object with its verdict.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions, which it shows beside the lines.
    Github,
}
