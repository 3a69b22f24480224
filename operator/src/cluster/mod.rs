//! Clusters: clears a lock of ours whose owner is over, and says when another controller works on one.

mod act;
mod observe;

use crate::clock::Clock;
use crate::lease::Leadership;
use crate::restore::RestoreError;
use api::OpenBaoCluster;
use futures::StreamExt as _;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::events::Recorder;
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use plan::cluster::plan;
use plan::lock::Orphan;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Clusters that are looked at side by side.
const CONCURRENCY: u16 = 8;

/// How long one look with its writes may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Pause between looks at a cluster whose lock is held, or that another controller works on.
const PATIENT: Duration = Duration::from_secs(10);

/// Pause after a look that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

type Guarded = DeserializeGuard<OpenBaoCluster>;

/// The operator's hands for clusters.
pub(crate) struct Clusters {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) leadership: Leadership,
    pub(crate) recorder: Recorder,
}

impl Clusters {
    /// Works on clusters while this replica leads, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut leadership = self.leadership.clone();
        if stop.run_until_cancelled(leadership.acquired()).await.is_none() {
            return;
        }
        let clusters = Api::<Guarded>::all(self.client.clone());
        Controller::new(clusters, watcher::Config::default().any_semantic())
            .with_config(controller::Config::default().concurrency(CONCURRENCY))
            .graceful_shutdown_on(stop.cancelled_owned())
            .run(reconcile, failed, Arc::new(self))
            .for_each(|_| std::future::ready(()))
            .await;
    }

    /// One look, and what follows from it.
    async fn look(&self, namespace: &str, name: &str) -> Result<Action, RestoreError> {
        let Some(look) = observe::look(&self.client, namespace, name).await? else {
            return Ok(Action::await_change());
        };
        let now = self.clock.now();
        let plan = plan(&look.seen, now);
        let hand = act::Hand { clusters: self, look: &look, namespace, name };
        if let Some(conditions) = &plan.conditions {
            hand.say(conditions).await?;
        }
        match plan.lock {
            Orphan::Keep => {}
            Orphan::Fence => hand.fence(now).await?,
            Orphan::Clear => hand.clear().await?,
        }
        Ok(if plan.looks_again { Action::requeue(PATIENT) } else { Action::await_change() })
    }
}

async fn reconcile(cluster: Arc<Guarded>, context: Arc<Clusters>) -> Result<Action, RestoreError> {
    let namespace = cluster.namespace().unwrap_or_default();
    tokio::time::timeout(TIMEOUT, context.look(&namespace, &cluster.name_any())).await?
}

#[expect(clippy::needless_pass_by_value, reason = "the controller hands it over so")]
fn failed(cluster: Arc<Guarded>, error: &RestoreError, _: Arc<Clusters>) -> Action {
    let (namespace, name) = (cluster.namespace(), cluster.name_any());
    tracing::warn!(namespace, cluster = name, %error, "a look at a cluster failed");
    Action::requeue(AFTER_FAILURE)
}
