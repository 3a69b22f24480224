//! The stub in the executor's place.

use clap::Parser;
use std::process::ExitCode;

/// Keeps the protocol of the ticket, and asks the test before each step.
#[derive(Parser)]
struct Arguments {
    /// The Task, as JSON.
    #[arg(long, env = "TASK", default_value = "")]
    task: String,
    /// UID of this pod.
    #[arg(long, env = "POD_UID")]
    pod_uid: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another crypto provider is installed"))?;
    let Arguments { task, pod_uid } = Arguments::parse();
    let code = tests::stub::play(&task, &pod_uid).await?;
    // As by SIGKILL: nobody left a Report.
    Ok(code.map_or_else(|| ExitCode::from(137), ExitCode::from))
}
