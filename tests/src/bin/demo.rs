//! `cargo demo`: the main job, shown on the local cluster. Exit code 0, or the first thing that was not true.

use clap::Parser;
use std::process::ExitCode;
use tests::acts::{Stage, admission, restore};
use tests::harness::Cluster;

/// Shows what the product does, on a real API server in a local cluster.
#[derive(Parser)]
struct Demo {
    /// Leave the cluster up until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let demo = Demo::parse();
    match play(&demo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nnot true: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(demo: &Demo) -> anyhow::Result<()> {
    let program = std::env::current_exe()?.with_file_name("cluster");
    let cluster = Cluster::shown(&program, "demo", "one");
    let stage = Stage::new(&cluster);
    stage.say("First act: a restore is admitted, or refused with the field and the fix.");
    admission::play(&stage)?;
    stage.say("Second act: lost secrets come back.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(restore::play(&stage))?;
    stage.say("All of it was true.");
    if demo.keep {
        println!("The cluster stays up until Ctrl-C; in another shell: . {}/env", cluster.folder().display());
        cluster.wait();
    }
    Ok(())
}
