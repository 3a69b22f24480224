//! The executor: one Job, one Task. It reads its Task, does it, and leaves a Report.

mod args;
mod buffers;
mod clock;
mod dial;
mod openbao;
mod pem;
mod post;
mod progress;
mod prove;
mod report;
mod steps;
mod storage;
mod task;
#[cfg(test)]
mod testing;
mod ticket;
mod transfer;
mod upload;

use anyhow::Context;
use args::Args;
use clap::Parser;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt().json().with_env_filter(filter).init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is already there; nothing was done"))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no async runtime")?;
    let report = runtime.block_on(task::run(&args));
    report::leave(&report, &args.termination_log);
    Ok(ExitCode::from(report.outcome.exit_code()))
}
