//! Flags, each also an environment variable where Kubernetes fills it in.

use clap::builder::NonEmptyStringValueParser;
use plan::backup::Installation;
use rules::address::Networks;
use std::net::{IpAddr, SocketAddr};

/// Watches, decides, acts, reports: the operator of OpenBao Recovery.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Address that the probes and metrics listen on.
    #[arg(long, env = "POD_IP", default_value = "0.0.0.0")]
    pub(crate) listen_ip: IpAddr,
    /// Port of the probes and metrics, plain HTTP.
    #[arg(long, default_value_t = 8081)]
    pub(crate) health_port: u16,
    /// Name of this pod: the holder of the election's Lease.
    #[arg(long, env = "POD_NAME")]
    pub(crate) pod_name: String,
    /// The operator's own namespace.
    #[arg(long, env = "POD_NAMESPACE")]
    pub(crate) namespace: String,
    /// Lease of the election, in the operator's namespace.
    #[arg(long, default_value = "openbao-recovery-operator")]
    pub(crate) lease_name: String,
    /// Secret with the webhook's certificates, in the operator's namespace.
    #[arg(long)]
    pub(crate) pki_secret: String,
    /// Service of the webhook, in the operator's namespace: the certificate bears its names.
    #[arg(long)]
    pub(crate) webhook_service: String,
    /// Our `ValidatingWebhookConfiguration`.
    #[arg(long)]
    pub(crate) validating_webhook: String,
    /// Our `MutatingWebhookConfiguration`.
    #[arg(long)]
    pub(crate) mutating_webhook: String,
    /// Networks that stores may be in, comma separated, as the webhook is told; without this flag, every public and
    /// private one.
    #[arg(long, value_name = "CIDRS", default_value = "")]
    pub(crate) storage_allow_cidrs: Networks,
    /// Image of the executor for backups of clusters that name none.
    #[arg(long)]
    pub(crate) executor_image: String,
    /// Audience of the token that a backup shows to OpenBao where the cluster names none.
    #[arg(long, env = "OPENBAO_JWT_AUDIENCE", default_value = "openbao-internal", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) audience: String,
}

impl Args {
    /// Where probes and metrics are served.
    pub(crate) fn health_address(&self) -> SocketAddr {
        SocketAddr::new(self.listen_ip, self.health_port)
    }

    /// What backups get where their cluster says nothing.
    pub(crate) fn installation(&self) -> Installation {
        Installation {
            image: self.executor_image.clone(),
            audience: self.audience.clone(),
            networks: self.storage_allow_cidrs.to_string(),
        }
    }

    /// The names that the API server calls the webhook by.
    pub(crate) fn certificate_names(&self) -> Vec<String> {
        ["svc", "svc.cluster.local"]
            .map(|suffix| format!("{}.{}.{suffix}", self.webhook_service, self.namespace))
            .to_vec()
    }
}
