//! The law of admission at two doors: for the API server, and for files. Neither has Kubernetes credentials: a verdict
//! depends on what is judged and the flags alone.

mod args;
mod certificate;
mod check;
#[cfg(test)]
mod corpus;
mod health;
mod metrics;
mod panics;
mod review;
mod routes;
mod server;
#[cfg(test)]
#[path = "../fuzz/settings.rs"]
mod settings;

use anyhow::Context;
use args::{Args, ServeArgs};
use certs::reload::Resolver;
use clap::Parser;
use health::Health;
use jiff::Timestamp;
use metrics::Metrics;
use review::Settings;
use server::Transport;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How long reviews are still taken after readiness went off: endpoints lag, and an API server that still has this
/// pod's address would refuse its user's request.
const ENDPOINTS_LAG: Duration = Duration::from_secs(3);

fn main() -> anyhow::Result<ExitCode> {
    match Args::parse() {
        Args::Check(args) => Ok(check::run(&args)),
        Args::Serve(args) => start(args).map(|()| ExitCode::SUCCESS),
    }
}

/// Two threads, and so two judges, whatever the machine has: reviews are rare, and each has memory of its own.
#[tokio::main(worker_threads = 2)]
async fn start(args: ServeArgs) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt().json().with_env_filter(filter).init();
    panics::log();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    serve(args).await
}

/// Serves until SIGTERM or SIGINT; the end of any part is the end of all.
async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let resolver = Arc::new(Resolver::new(Timestamp::now));
    let metrics = Arc::new(Metrics::new());
    let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());

    let admission = listen(args.address()).await?;
    let probes = listen(args.health_address()).await?;
    let settings =
        Settings { installation: args.installation(), networks: args.common.storage_allow_cidrs.clone() };
    let routes = routes::routes(settings, Arc::clone(&metrics));
    let (of_reviews, of_probes) = (Arc::clone(&metrics), Arc::clone(&metrics));
    let files =
        certificate::Files::new(args.tls_dir, Arc::clone(&resolver), metrics.certificate_expiry.clone());
    let tls = Transport::tls(Arc::clone(&resolver));
    let health = health::routes(Health { resolver, metrics, leaving: leaving.clone() });

    let mut server = tokio::spawn(server::serve(admission, tls, routes, of_reviews, stop.clone()));
    let mut others = JoinSet::new();
    others.spawn(files.follow());
    // Probes are answered to the last.
    let never = CancellationToken::new();
    others.spawn(async {
        server::serve(probes, Transport::Plain, health, of_probes, never).await;
        Ok(())
    });

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = &mut server => anyhow::bail!("the admission server ended by itself: {ended:?}"),
        ended = others.join_next() => anyhow::bail!("a background task ended by itself: {ended:?}"),
    }
    tracing::info!("stopping");
    leaving.cancel();
    tokio::time::sleep(ENDPOINTS_LAG).await;
    stop.cancel();
    server.await.context("the admission server failed while it stopped")
}

async fn listen(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener
        .with_context(|| format!("cannot listen on {address}: is the address this pod's, and the port free?"))
}
