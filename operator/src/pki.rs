//! The webhook's certificates: does what `certs::renew` decides, one write at a time.

use crate::answer::message;
use crate::args::Args;
use crate::configuration::{Configuration, ConfigurationError, FIELD_MANAGER, Place};
use crate::lease::{Leadership, NotLeading};
use crate::metrics::Metrics;
use api::names::{MANAGED_BY, MANAGER};
use certs::issue::IssueError;
use certs::keyring::Keyring;
use certs::renew::{Step, next};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Pause after a failure, and between two steps of the same kind.
const RETRY: Duration = Duration::from_secs(2);

/// Longest pause: a `caBundle` that somebody overwrote is put right so soon.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long one look with its write may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Why the certificates could not be brought forward. What was there is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PkiError {
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("the PKI Secret was not read or written: {}; it is tried again", message(.0))]
    Secret(#[from] kube::Error),
    #[error("the API server did not answer within {} s; it is tried again", TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

/// Everything that the certificates touch.
#[derive(Clone)]
pub(crate) struct Pki {
    secrets: Api<Secret>,
    secret: String,
    validating: Place,
    mutating: Place,
    names: Vec<String>,
    metrics: Arc<Metrics>,
}

/// What was read back.
pub(crate) struct Observed {
    validating: Configuration,
    mutating: Configuration,
    secret: Option<Secret>,
    keyring: Keyring,
}

impl Observed {
    /// The first configuration that does not trust the leaf that the webhook has to serve.
    pub(crate) fn distrusting(&self, now: Timestamp) -> Option<&Configuration> {
        self.lacking(|ca_bundle| self.keyring.is_trusted_by(ca_bundle, now)).next()
    }

    /// Names of our validating webhooks.
    pub(crate) fn validating_webhooks(&self) -> impl Iterator<Item = &str> {
        self.validating.webhooks()
    }

    fn unpublished(&self) -> impl Iterator<Item = &Configuration> {
        self.lacking(|ca_bundle| self.keyring.is_published_in(ca_bundle))
    }

    fn lacking(&self, is_good: impl Fn(&[u8]) -> bool) -> impl Iterator<Item = &Configuration> {
        [&self.validating, &self.mutating].into_iter().filter(move |it| !it.ca_bundles().all(&is_good))
    }
}

impl Pki {
    pub(crate) fn new(client: &kube::Client, args: &Args, metrics: Arc<Metrics>) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), &args.namespace),
            secret: args.pki_secret.clone(),
            validating: Place::new::<ValidatingWebhookConfiguration>(client, &args.validating_webhook),
            mutating: Place::new::<MutatingWebhookConfiguration>(client, &args.mutating_webhook),
            names: args.certificate_names(),
            metrics,
        }
    }

    /// Keeps the certificates good for as long as this replica leads. Never ends.
    pub(crate) async fn run(self, mut leadership: Leadership) {
        leadership.acquired().await;
        let (mut last, mut told) = (None, String::new());
        loop {
            let advanced = async { tokio::time::timeout(TIMEOUT, self.advance(&leadership)).await? };
            let result = advanced.await;
            let pause = match &result {
                Ok(Step::Wait(until)) => pause_until(*until, Timestamp::now()),
                Ok(step) if last != Some(*step) => Duration::ZERO,
                Ok(_) | Err(_) => RETRY,
            };
            last = result.as_ref().ok().copied();
            let why = result.err().map(|error| error.to_string()).unwrap_or_default();
            if !why.is_empty() && why != told {
                tracing::warn!(error = why, "the webhook's certificates wait");
            }
            told = why;
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads back the configurations, then the Secret. In this order: were the bundle of a Secret that another leader
    /// has since replaced to be published, the version of the configuration would be older than that leader's own
    /// publishing, and the write is refused.
    ///
    /// # Errors
    /// When something is missing or cannot be read.
    pub(crate) async fn observe(&self) -> Result<Observed, PkiError> {
        let (validating, mutating) = (self.validating.read().await?, self.mutating.read().await?);
        let secret = self.secrets.get_opt(&self.secret).await?;
        let value = |key: &str| {
            let value = secret.as_ref().and_then(|secret| secret.data.as_ref()?.get(key));
            value.and_then(|value| String::from_utf8(value.0.clone()).ok()).unwrap_or_default()
        };
        let keyring = Keyring::from_data(value);
        let leaf = keyring.state(&self.names, false).leaf;
        self.metrics.leaf_expiry.set(leaf.map_or(0, |leaf| leaf.not_after.as_second()));
        Ok(Observed { validating, mutating, secret, keyring })
    }

    /// One look and at most one step, which is given back.
    async fn advance(&self, leadership: &Leadership) -> Result<Step, PkiError> {
        let observed = self.observe().await?;
        let now = Timestamp::now();
        let state = observed.keyring.state(&self.names, observed.unpublished().next().is_none());
        let step = next(&state, now);
        match step {
            Step::Wait(_) => {}
            Step::Publish => self.publish(&observed, leadership).await?,
            Step::Change(change) => {
                let keyring = observed.keyring.changed(change, &self.names, now)?;
                self.write(&observed, &keyring, leadership).await?;
                tracing::info!(secret = self.secret, ?change, "the PKI Secret is written");
            }
        }
        Ok(step)
    }

    async fn publish(&self, observed: &Observed, leadership: &Leadership) -> Result<(), PkiError> {
        let bundle = observed.keyring.bundle();
        for configuration in observed.unpublished() {
            leadership.assured()?;
            configuration.publish(&bundle).await?;
            tracing::info!(configuration = configuration.title(), "caBundle is published");
        }
        Ok(())
    }

    async fn write(
        &self,
        observed: &Observed,
        keyring: &Keyring,
        leadership: &Leadership,
    ) -> Result<(), PkiError> {
        let data: BTreeMap<String, ByteString> = keyring
            .data()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())))
            .collect();
        leadership.assured()?;
        let field_manager = Some(FIELD_MANAGER.to_owned());
        match &observed.secret {
            None => {
                let params = PostParams { field_manager, ..PostParams::default() };
                self.secrets.create(&params, &self.new_secret(data)).await?;
            }
            Some(secret) => {
                let version = &secret.metadata.resource_version;
                let patch = json!({"metadata": {"resourceVersion": version}, "data": data});
                let params = PatchParams { field_manager, ..PatchParams::default() };
                self.secrets.patch(&self.secret, &params, &Patch::Merge(&patch)).await?;
            }
        }
        Ok(())
    }

    fn new_secret(&self, data: BTreeMap<String, ByteString>) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some(self.secret.clone()),
                labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), MANAGER.to_owned())])),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(data),
            ..Secret::default()
        }
    }
}

fn pause_until(until: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default().clamp(RETRY, LOOK_EVERY)
}
