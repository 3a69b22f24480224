//! Readiness: admission works as seen from this replica. It asks for a refusal, and looks whether ours comes.

use crate::answer::message;
use crate::args::Args;
use crate::pki::{Pki, PkiError};
use api::{OpenBaoCluster, OpenBaoRestore};
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Name of the object that is asked for. It is never stored: the request is a dry run.
const PROBE: &str = "admission-probe";

/// Pause between looks until ready, and after that.
const UNTIL_READY: Duration = Duration::from_secs(2);
const ONCE_READY: Duration = Duration::from_secs(30);

/// How long one look may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What still stands in the way of being ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    #[error("not looked yet")]
    NotLooked,
    #[error("waiting for the CustomResourceDefinition {0}; install the CRDs")]
    Definition(&'static str),
    #[error("{0}")]
    Pki(#[from] PkiError),
    #[error("{0} does not trust the webhook's certificate yet; the leading replica publishes it")]
    Distrusted(String),
    #[error(
        "the API server let an invalid OpenBaoRestore pass: it does not call the webhook; check the configuration's rules"
    )]
    NotCalled,
    #[error("the API server answered the probe without our webhook's refusal: {}", message(.0))]
    OtherAnswer(kube::Error),
    #[error("the API server refused or did not answer: {}", message(.0))]
    Api(#[from] kube::Error),
    #[error("the API server did not answer within {} s", TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// What the last look found.
#[derive(Clone)]
pub(crate) struct Readiness(watch::Receiver<Option<Arc<str>>>);

impl Readiness {
    /// Why this replica is not ready; none when it is.
    pub(crate) fn why_not(&self) -> Option<Arc<str>> {
        self.0.borrow().clone()
    }
}

/// Looks again and again whether admission works.
pub(crate) struct Prober {
    definitions: Api<CustomResourceDefinition>,
    restores: Api<DynamicObject>,
    pki: Pki,
    readiness: watch::Sender<Option<Arc<str>>>,
}

impl Prober {
    pub(crate) fn new(client: &kube::Client, args: &Args, pki: Pki) -> (Self, Readiness) {
        let (readiness, seen) = watch::channel(Some(Arc::from(NotReady::NotLooked.to_string())));
        let resource = OpenBaoRestore::api_resource();
        let prober = Self {
            definitions: Api::all(client.clone()),
            restores: Api::namespaced_with(client.clone(), &args.namespace, &resource),
            pki,
            readiness,
        };
        (prober, Readiness(seen))
    }

    /// Looks for ever.
    pub(crate) async fn run(self) {
        loop {
            let look = async { tokio::time::timeout(TIMEOUT, self.look()).await? };
            let pause = match look.await {
                Ok(()) => {
                    if self.readiness.send_replace(None).is_some() {
                        tracing::info!("ready: admission works as seen from this replica");
                    }
                    ONCE_READY
                }
                Err(reason) => {
                    self.not_ready(&reason);
                    UNTIL_READY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Keeps the reason, and logs it when it is another one.
    fn not_ready(&self, reason: &NotReady) {
        let reason: Arc<str> = Arc::from(reason.to_string());
        if self.readiness.send_replace(Some(Arc::clone(&reason))).as_ref() != Some(&reason) {
            tracing::warn!(%reason, "not ready");
        }
    }

    async fn look(&self) -> Result<(), NotReady> {
        for name in [OpenBaoRestore::crd_name(), OpenBaoCluster::crd_name()] {
            if self.definitions.get_metadata_opt(name).await?.is_none() {
                return Err(NotReady::Definition(name));
            }
        }
        let observed = self.pki.observe().await?;
        if let Some(configuration) = observed.distrusting(Timestamp::now()) {
            return Err(NotReady::Distrusted(configuration.title()));
        }
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        match self.restores.create(&dry_run, &probe(&OpenBaoRestore::api_resource())).await {
            Ok(_) => Err(NotReady::NotCalled),
            Err(error) if is_refusal(&error, observed.validating_webhooks()) => Ok(()),
            Err(error) => Err(NotReady::OtherAnswer(error)),
        }
    }
}

/// A request that breaks rules whatever the installation fills in: its key begins with a slash. It names no
/// authentication either.
fn probe(resource: &ApiResource) -> DynamicObject {
    DynamicObject::new(PROBE, resource).data(json!({"spec": {
        "cluster": PROBE,
        "source": {"key": format!("/{PROBE}"), "target": {"bucket": PROBE}},
    }}))
}

/// Whether one of our validating webhooks said no, with its causes. A schema's refusal has causes too, but no webhook's name; a
/// webhook that could not be called has a name, but no causes.
fn is_refusal<'a>(error: &kube::Error, mut webhooks: impl Iterator<Item = &'a str>) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let has_causes = status.details.as_ref().is_some_and(|details| !details.causes.is_empty());
    status.is_invalid()
        && has_causes
        && webhooks.any(|name| {
            status.message.starts_with(&format!("admission webhook \"{name}\" denied the request"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn answer(code: u16, reason: &str, message: &str, causes: &[&str]) -> kube::Error {
        let causes: Vec<_> = causes.iter().map(|message| json!({"message": message})).collect();
        let status: Status = serde_json::from_value(json!({
            "status": "Failure", "code": code, "reason": reason, "message": message,
            "details": {"causes": causes},
        }))
        .unwrap();
        kube::Error::Api(status.boxed())
    }

    #[test]
    fn only_our_webhooks_refusal_makes_ready() {
        let ours = r#"admission webhook "validate.openbao.org" denied the request: spec.source.key: ..."#;
        for (name, answer, refusal) in [
            ("ours", answer(422, "Invalid", ours, &["no leading slash"]), true),
            ("ours, without causes", answer(422, "Invalid", ours, &[]), false),
            (
                "of the schema",
                answer(
                    422,
                    "Invalid",
                    r#"OpenBaoRestore.openbao.org "admission-probe" is invalid"#,
                    &["required"],
                ),
                false,
            ),
            (
                "of another webhook",
                answer(422, "Invalid", r#"admission webhook "other.example" denied the request"#, &["no"]),
                false,
            ),
            (
                "no connection",
                answer(
                    500,
                    "InternalError",
                    r#"failed calling webhook "validate.openbao.org": refused"#,
                    &["refused"],
                ),
                false,
            ),
            ("no right to ask", answer(403, "Forbidden", "openbaorestores is forbidden", &[]), false),
        ] {
            assert_eq!(is_refusal(&answer, ["validate.openbao.org"].into_iter()), refusal, "{name}");
        }
    }
}
