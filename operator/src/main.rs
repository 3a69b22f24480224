//! The operator of OpenBao Recovery. One of its replicas leads: it owns the webhook's certificates and works on
//! restores. Every replica says whether admission works.

mod answer;
mod args;
mod backup;
mod clock;
mod cluster;
mod configuration;
mod events;
mod health;
mod lease;
mod metrics;
mod pki;
mod probe;
mod restore;
mod status;
mod writer;

use anyhow::Context as _;
use clap::Parser as _;
use kube::runtime::events::{Recorder, Reporter};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long tasks may take to end after SIGTERM; the Lease is vacated afterwards, well within the 30 s that Kubernetes
/// gives a pod.
const DRAIN: Duration = Duration::from_secs(10);

/// What is logged unless `RUST_LOG` says otherwise. The client would log each refused call as an error, also those that
/// are asked for; whoever called says what it means. The controller would put its spans on each line, which names its
/// request itself.
const LOGS: &str = "info,kube_client::client=off,kube_runtime::controller=off";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| LOGS.into()),
        )
        .init();
    match run(args::Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator ends");
            ExitCode::FAILURE
        }
    }
}

/// Where the operator is at home, and where it may reach.
fn home(args: &args::Args) -> restore::Home {
    restore::Home { networks: args.storage_allow_cidrs.clone(), namespace: args.namespace.clone() }
}

async fn run(args: args::Args) -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    let clock = clock::Clock::new();
    let client = clock::client(&clock).await.context("no access to the API server")?;

    let (stop, vacate) = (CancellationToken::new(), CancellationToken::new());
    let metrics = Arc::new(metrics::Metrics::new());
    let (elector, leadership) = lease::Elector::new(&client, &args, Arc::clone(&metrics));
    let pki = pki::Pki::new(&client, &args, Arc::clone(&metrics));
    let (prober, readiness) = probe::Prober::new(&client, &args, pki.clone());
    // One for the process: it counts what repeats.
    let reporter =
        Reporter { controller: format!("{}/recovery", api::GROUP), instance: Some(args.pod_name.clone()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let clusters = cluster::Clusters {
        client: client.clone(),
        clock: clock.clone(),
        leadership: leadership.clone(),
        recorder: recorder.clone(),
    };
    let backups = backup::Backups {
        client: client.clone(),
        clock: clock.clone(),
        leadership: leadership.clone(),
        metrics: Arc::clone(&metrics),
        installation: args.installation(),
        reporting: backup::Reporting::new(&client, recorder.clone(), Arc::clone(&metrics)),
    };
    let home = home(&args);
    let restores =
        restore::Restores::new(&client, clock, leadership.clone(), Arc::clone(&metrics), recorder, home);
    let health = health::bind(&args, readiness, metrics, stop.clone()).await?;
    let candidate = elector.run(vacate.clone());
    let mut election = tokio::spawn(async { candidate.await.map_err(anyhow::Error::from) });
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    tasks.spawn(health);
    tasks.spawn(until(stop.clone(), prober.run()));
    tasks.spawn(until(stop.clone(), pki.run(leadership)));
    // Each ends its looks by itself.
    let [stopped, stopped_too, stopped_as_well] = [stop.clone(), stop.clone(), stop.clone()];
    tasks.spawn(ended(async { restores.run(stopped).await }));
    tasks.spawn(ended(async { clusters.run(stopped_too).await }));
    tasks.spawn(ended(async { backups.run(stopped_as_well).await }));

    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Some(ended) = tasks.join_next() => Err(unexpected_end(ended.map_err(Into::into).flatten())),
        ended = &mut election => return Err(unexpected_end(ended.map_err(Into::into).flatten())),
    };
    tracing::info!("stopping");
    stop.cancel();
    let drained = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("a task did not end in time and is dropped");
    }
    vacate.cancel();
    election.await??;
    ended
}

/// A task that has no end of its own, ended by `stop`.
async fn until(stop: CancellationToken, task: impl Future<Output = ()>) -> anyhow::Result<()> {
    stop.run_until_cancelled(task).await;
    Ok(())
}

async fn ended(task: impl Future<Output = ()>) -> anyhow::Result<()> {
    task.await;
    Ok(())
}

fn unexpected_end(ended: anyhow::Result<()>) -> anyhow::Error {
    ended.err().unwrap_or_else(|| anyhow::anyhow!("a background task ended by itself"))
}
