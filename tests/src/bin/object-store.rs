//! The S3 store of the local cluster.

use clap::Parser;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tests::object_store::{Settings, serve};

/// S3 over TLS, objects as files.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, env = "POD_IP")]
    listen_ip: IpAddr,
    /// Port to listen on.
    #[arg(long)]
    port: u16,
    /// Folder of the buckets.
    #[arg(long)]
    folder: PathBuf,
    /// Bucket that is made if it is not there.
    #[arg(long)]
    bucket: String,
    /// Folder with tls.crt and tls.key.
    #[arg(long)]
    tls_dir: PathBuf,
    /// Access key of the one account.
    #[arg(long, env, hide_env_values = true)]
    access_key: String,
    /// Secret key of the one account.
    #[arg(long, env, hide_env_values = true)]
    secret_key: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another crypto provider is installed"))?;
    let Arguments { listen_ip, port, folder, bucket, tls_dir, access_key, secret_key } = Arguments::parse();
    let address = SocketAddr::new(listen_ip, port);
    Ok(serve(Settings { address, folder, bucket, tls: tls_dir, access_key, secret_key }).await?)
}
