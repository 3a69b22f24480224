//! Flags, each also an environment variable where Kubernetes fills it in.

use crate::check::args::CheckArgs;
use clap::builder::NonEmptyStringValueParser;
use rules::Installation;
use rules::address::Networks;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The law of admission of OpenBao Recovery.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub(crate) enum Args {
    /// Answers the API server's admission reviews: fills in what a restore leaves out, and refuses what must not run.
    Serve(ServeArgs),
    /// Answers for files, without a cluster: what the API server would say of them.
    Check(CheckArgs),
}

/// Flags of the server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Address that everything listens on.
    #[arg(long, env = "POD_IP")]
    listen_ip: IpAddr,
    /// Port of the admission reviews, TLS only.
    #[arg(long, default_value_t = 9443)]
    port: u16,
    /// Port of the probes and metrics, plain HTTP.
    #[arg(long, default_value_t = 8081)]
    health_port: u16,
    /// Folder with tls.crt and tls.key; until they are there the webhook is not ready.
    #[arg(long, default_value = "/tls")]
    pub(crate) tls_dir: PathBuf,
    /// Executor image of a restore that names none.
    #[arg(long, env = "EXECUTOR_IMAGE", value_parser = NonEmptyStringValueParser::new())]
    executor_image: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Flags that a verdict depends on, the same for both doors.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CommonArgs {
    /// Audience of a restore that names none.
    #[arg(long, env = "OPENBAO_JWT_AUDIENCE", default_value = "openbao-internal", value_parser = NonEmptyStringValueParser::new())]
    audience: String,
    /// JWT role of a restore without any authentication; without this flag, such a restore is refused.
    #[arg(long, env = "RESTORE_JWT_AUTH_ROLE", value_parser = NonEmptyStringValueParser::new())]
    restore_jwt_auth_role: Option<String>,
    /// Networks that stores may be in, comma separated; without this flag, every public and private one.
    #[arg(long, value_name = "CIDRS", default_value = "")]
    pub(crate) storage_allow_cidrs: Networks,
}

impl ServeArgs {
    /// Where reviews are answered.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.listen_ip, self.port)
    }

    /// Where probes and metrics are served.
    pub(crate) fn health_address(&self) -> SocketAddr {
        SocketAddr::new(self.listen_ip, self.health_port)
    }

    /// What is filled in.
    pub(crate) fn installation(&self) -> Installation {
        self.common.installation(&self.executor_image)
    }
}

impl CommonArgs {
    /// What is filled in.
    pub(crate) fn installation(&self, executor_image: &str) -> Installation {
        Installation {
            audience: self.audience.clone(),
            executor_image: executor_image.to_owned(),
            restore_jwt_auth_role: self.restore_jwt_auth_role.clone(),
        }
    }
}
