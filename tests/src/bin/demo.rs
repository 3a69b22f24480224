//! `cargo demo`: the main job, shown on the local cluster. Exit code 0, or the first thing that was not true.

use clap::Parser;
use std::process::ExitCode;
use tests::acts::{Stage, admission, backup, restore};
use tests::harness::Cluster;
use tests::scenario::Scenario;

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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(backed_up_and_restored(&cluster, &stage))?;
    stage.say("All of it was true.");
    if demo.keep {
        println!("The cluster stays up until Ctrl-C; in another shell: . {}/env", cluster.folder().display());
        cluster.wait();
    }
    Ok(())
}

async fn backed_up_and_restored(cluster: &Cluster, stage: &Stage<'_>) -> anyhow::Result<()> {
    let scenario = Scenario::prepare(cluster, "solo").await?;
    stage.say("Second act: a cluster is backed up.");
    let key = backup::play(stage, &scenario).await?;
    stage.say("Third act: lost secrets come back.");
    restore::play(stage, &scenario, &key).await
}
