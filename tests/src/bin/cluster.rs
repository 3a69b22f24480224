//! `cargo cluster up` and `cargo cluster down`.

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tests::cluster::{self, Down, OpenBaoChoice, Options};
use tests::control_plane::guard;

/// A local cluster: a real control plane, OpenBao, an object store, and the chart of this project.
#[derive(Parser)]
#[command(name = "cargo cluster", bin_name = "cargo cluster")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a fresh cluster in the foreground until Ctrl-C.
    Up {
        /// Where everything of it lies; without it, `cluster` in the target folder.
        #[arg(long)]
        folder: Option<PathBuf>,
        /// Which OpenBao clusters run in it.
        #[arg(long, value_enum, default_value = "both")]
        openbao: OpenBaoChoice,
        /// End when this process, our parent, has ended.
        #[arg(long, hide = true)]
        parent: Option<i32>,
    },
    /// End the cluster that runs in a folder.
    Down {
        /// Its folder; without it, `cluster` in the target folder.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Become PROGRAM, and end with the parent.
    #[command(name = guard::SUBCOMMAND, hide = true)]
    Guard {
        parent: i32,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Up { folder, openbao, parent } => up(Options { folder, openbao, parent }),
        Command::Down { folder } => down(folder.as_deref()),
        Command::Guard { parent, program, arguments } => Err(guard::run(parent, &program, &arguments).into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn up(options: Options) -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another crypto provider is installed"))?;
    let prepared = cluster::prepare(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(prepared.run())?)
}

fn down(folder: Option<&Path>) -> anyhow::Result<()> {
    match cluster::down(folder)? {
        Down::NothingRan => println!("nothing runs there"),
        Down::Ended(pid) => println!("process {pid} and its cluster have ended"),
    }
    Ok(())
}
