//! Backups: looks at each cluster, plans, writes its status, then takes one step.

mod act;
mod observe;
mod report;
mod waits;

use crate::clock::Clock;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::restore::RestoreError;
use crate::writer::Acted;
use act::Hand;
use api::{OpenBaoCluster, names};
use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use observe::Look;
use plan::backup::{Installation, Waiting, plan};
use plan::owned::cluster_label;
pub(crate) use report::Reporting;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Clusters that are looked at side by side.
const CONCURRENCY: u16 = 16;

/// How long one look with its writes may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Pause between looks at a backup at work: its ticket and pods are not watched.
const AT_WORK: Duration = Duration::from_secs(1);

/// Pause while somebody else has to move; changes of Jobs and cluster are seen at once.
const PATIENT: Duration = Duration::from_secs(10);

/// Longest pause where backups are made: the next time of the schedule is told anew once it has passed.
const IDLE: Duration = Duration::from_mins(1);

/// Pause after a look that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Look again at once.
const AGAIN: Action = Action::requeue(Duration::ZERO);

/// A cluster that cannot be read does not hide the others.
type Guarded = DeserializeGuard<OpenBaoCluster>;

/// The operator's hands for backups.
pub(crate) struct Backups {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) leadership: Leadership,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) installation: Installation,
    pub(crate) reporting: Reporting,
}

impl Backups {
    /// Works on clusters while this replica leads, until `stop`; a look that has begun is ended.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut leadership = self.leadership.clone();
        if stop.run_until_cancelled(leadership.acquired()).await.is_none() {
            return;
        }
        let any = || watcher::Config::default().any_semantic();
        let of_backups = any().labels(&format!("{}=backup", names::COMPONENT_LABEL));
        let controller = Controller::new(Api::<Guarded>::all(self.client.clone()), any());
        let jobs = Api::<PartialObjectMeta<Job>>::all(self.client.clone());
        let store = controller.store();
        controller
            .with_config(controller::Config::default().concurrency(CONCURRENCY))
            .watches(jobs, of_backups, move |job| of_job(&store, &job))
            .graceful_shutdown_on(stop.cancelled_owned())
            .run(reconcile, failed, Arc::new(self))
            .for_each(|_| std::future::ready(()))
            .await;
    }

    /// One look, and what follows from it.
    async fn look(&self, namespace: &str, name: &str) -> Result<Action, RestoreError> {
        let look = Box::pin(observe::look(&self.client, &self.installation, namespace, name));
        let Some(mut look) = look.await? else {
            self.reporting.waits.note(namespace, name, None);
            return Ok(Action::await_change());
        };
        let now = self.clock.now();
        let plan = plan(&look.seen, now);
        self.reporting.waits.note(namespace, name, plan.waiting);
        let mut is_new = false;
        if let Some(written) = &plan.status {
            match self.reporting.status(&look.seen.cluster, written, &self.leadership).await? {
                Some(cluster) => {
                    // What another manager has written cannot be taken away by leaving it out.
                    is_new = cluster.metadata.resource_version != look.seen.cluster.metadata.resource_version;
                    look.seen.cluster = cluster;
                }
                None => return Ok(Action::requeue(AT_WORK)),
            }
        }
        self.reporting.strangers(&look.seen).await;
        if is_new || plan.step.is_none() {
            self.reporting.tell(&look.seen.cluster, &plan.told).await;
        }
        let Some(step) = &plan.step else {
            return Ok(if is_new { AGAIN } else { rest(&look, plan.waiting) });
        };
        tracing::debug!(namespace, cluster = name, ?step, "the next step");
        let hand = Hand { client: &self.client, leadership: &self.leadership, look: &look, now };
        let acted = hand.act(step).await;
        if let Err(error @ RestoreError::Api(kube::Error::Api(_))) = &acted {
            self.reporting.refused(&look.seen.cluster, error).await;
        }
        let acted = acted?;
        if acted == Acted::Done && !is_new {
            self.reporting.tell(&look.seen.cluster, &plan.told).await;
        }
        Ok(if acted == Acted::Done { AGAIN } else { Action::requeue(AT_WORK) })
    }
}

fn rest(look: &Look, waiting: Option<Waiting>) -> Action {
    match waiting {
        Some(Waiting::Backup | Waiting::Pods | Waiting::Second) => Action::requeue(AT_WORK),
        Some(_) => Action::requeue(PATIENT),
        None if look.seen.cluster.spec.backup.is_some() => Action::requeue(IDLE),
        None => Action::await_change(),
    }
}

async fn reconcile(cluster: Arc<Guarded>, context: Arc<Backups>) -> Result<Action, RestoreError> {
    let namespace = cluster.namespace().unwrap_or_default();
    let action =
        tokio::time::timeout(TIMEOUT, Box::pin(context.look(&namespace, &cluster.name_any()))).await??;
    context.metrics.backup_looks.inc();
    Ok(action)
}

#[expect(clippy::needless_pass_by_value, reason = "the controller hands it over so")]
fn failed(cluster: Arc<Guarded>, error: &RestoreError, context: Arc<Backups>) -> Action {
    let (namespace, name) = (cluster.namespace(), cluster.name_any());
    context.metrics.backup_failures.inc();
    tracing::warn!(namespace, cluster = name, %error, "a look at the backups of a cluster failed");
    Action::requeue(AFTER_FAILURE)
}

/// The cluster that a Job is a backup of, by its label.
fn of_job(store: &Store<Guarded>, job: &PartialObjectMeta<Job>) -> Vec<ObjectRef<Guarded>> {
    let Some(label) = job.labels().get(names::CLUSTER_LABEL) else { return Vec::new() };
    let concerned = |cluster: &Guarded| {
        cluster.namespace() == job.namespace() && cluster_label(&cluster.name_any()) == *label
    };
    store.state_filter(concerned).iter().map(|cluster| ObjectRef::from_obj(cluster.as_ref())).collect()
}
