//! Restores: looks at each request, plans, writes the status, then takes one step.

mod act;
pub(crate) mod fence;
mod observe;
mod report;
mod tracks;

use crate::answer::message;
use crate::clock::Clock;
use crate::lease::{Leadership, NotLeading};
use crate::metrics::Metrics;
use crate::writer::Acted;
use act::Hand;
use api::conditions::ConditionType;
use api::{OpenBaoCluster, OpenBaoRestore, names};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::api::{Api, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use observe::Look;
pub(crate) use observe::{Found, Reader, seen};
use plan::restore::{Step, Waiting, plan};
use report::Reporting;
use rules::address::Networks;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracks::{Key, Tracks};

/// Requests that are looked at side by side.
const CONCURRENCY: u16 = 16;

/// How long one look with its writes may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Pause between looks at a Job at work: its ticket and pods are not watched.
const AT_WORK: Duration = Duration::from_secs(1);

/// Longest pause while somebody else has to move; changes of request and cluster are seen at once.
const PATIENT: Duration = Duration::from_secs(15);

/// Why a look came to no end. What was written before stays and is found by the next one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error("the API server refused or did not answer: {}; nothing was written; it is tried again", message(.0))]
    Api(#[from] kube::Error),
    #[error("the request cannot be read: {0}; nothing was written; delete it, or mend its status")]
    Unreadable(serde_json::Error),
    #[error("the API server did not answer within {} s; it is tried again", TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("the world changed since it was read; nothing was written; it is looked at again")]
    Raced,
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

/// A request that cannot be read does not hide the others.
type Guarded = DeserializeGuard<OpenBaoRestore>;

type Looked = (ObjectRef<Guarded>, Action);

/// Look again at once.
const AGAIN: Action = Action::requeue(Duration::ZERO);

/// The operator's hands for restores.
pub(crate) struct Restores {
    client: Client,
    clock: Clock,
    leadership: Leadership,
    reporting: Reporting,
    tracks: Tracks,
    home: Home,
}

/// What this installation is.
#[derive(Clone)]
pub(crate) struct Home {
    /// The networks that it lets stores be in.
    pub(crate) networks: Networks,
    /// The operator's own.
    pub(crate) namespace: String,
}

impl Restores {
    pub(crate) fn new(
        client: &Client,
        clock: Clock,
        leadership: Leadership,
        metrics: Arc<Metrics>,
        recorder: Recorder,
        home: Home,
    ) -> Self {
        Self {
            client: client.clone(),
            clock,
            leadership,
            reporting: Reporting::new(client, recorder),
            tracks: Tracks::new(metrics),
            home,
        }
    }

    /// Works on requests while this replica leads, until `stop`; a look that has begun is ended.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut leadership = self.leadership.clone();
        if stop.run_until_cancelled(leadership.acquired()).await.is_none() {
            return;
        }
        let any = || watcher::Config::default().any_semantic();
        let controller = Controller::new(Api::<Guarded>::all(self.client.clone()), any());
        let clusters = Api::<PartialObjectMeta<OpenBaoCluster>>::all(self.client.clone());
        let store = controller.store();
        let context = Arc::new(self);
        controller
            .with_config(controller::Config::default().concurrency(CONCURRENCY))
            .watches(clusters, any(), move |cluster| of_cluster(&store, &cluster))
            .graceful_shutdown_on(stop.cancelled_owned())
            .run(
                reconcile,
                |request, error, context| Action::requeue(context.tracks.failed(&key(&request), error)),
                Arc::clone(&context),
            )
            .for_each(|ended| {
                context.ended(ended);
                std::future::ready(())
            })
            .await;
    }

    /// One look, and what follows from it.
    async fn look(&self, key: &Key) -> Result<Action, RestoreError> {
        let (namespace, name) = key;
        let Some(mut look) = Box::pin(observe::look(&self.client, &self.home, namespace, name)).await? else {
            self.tracks.forget(key);
            return Ok(Action::await_change());
        };
        let now = self.clock.now();
        let plan = plan(&look.seen, now);
        self.tracks.waits(key, plan.waiting);
        let differs = look.seen.request.status.as_ref() != Some(&plan.status);
        if differs {
            match self.reporting.status(&look.seen, &plan.status, &self.leadership).await? {
                Some(written) => look.seen.request = written,
                None => return Ok(self.raced(key)),
            }
        }
        match &plan.step {
            Some(step) => self.act(key, &look, step, now).await,
            None if differs => Ok(AGAIN),
            None => Ok(self.rest(key, &look, plan.waiting)),
        }
    }

    async fn act(&self, key: &Key, look: &Look, step: &Step, now: Timestamp) -> Result<Action, RestoreError> {
        tracing::debug!(namespace = key.0, restore = key.1, ?step, "the next step");
        let own_namespace = &self.home.namespace;
        let hand = Hand { client: &self.client, leadership: &self.leadership, look, own_namespace, now };
        let acted = hand.act(step).await;
        if let Err(error @ RestoreError::Api(kube::Error::Api(_))) = &acted {
            self.reporting.refused(&look.seen.request, error).await;
        }
        Ok(match acted? {
            Acted::Done => AGAIN,
            Acted::Raced => self.raced(key),
        })
    }

    fn raced(&self, key: &Key) -> Action {
        Action::requeue(self.tracks.jittered(key, AT_WORK))
    }

    fn rest(&self, key: &Key, look: &Look, waiting: Option<Waiting>) -> Action {
        match waiting {
            Some(
                Waiting::Check
                | Waiting::Restore
                | Waiting::Proving
                | Waiting::Pods
                | Waiting::Proof
                | Waiting::Rival,
            ) => Action::requeue(AT_WORK),
            Some(Waiting::Outcome) if look.seen.restore.pods.left => Action::requeue(AT_WORK),
            None if rests(&look.seen.request) => Action::await_change(),
            _ => Action::requeue(self.tracks.jittered(key, PATIENT)),
        }
    }

    /// The end of each look as the controller tells it. A look that failed was told when it did.
    fn ended(&self, ended: Result<Looked, controller::Error<RestoreError, watcher::Error>>) {
        match ended {
            Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
            Err(controller::Error::ObjectNotFound(request)) => {
                self.tracks.forget(&(request.namespace.clone().unwrap_or_default(), request.name.clone()));
            }
            Err(error) => tracing::warn!(%error, "a watch failed; it is opened again"),
        }
    }
}

/// A request that rests is not looked at: being at rest never ends.
async fn reconcile(request: Arc<Guarded>, context: Arc<Restores>) -> Result<Action, RestoreError> {
    let key = key(&request);
    if request.0.as_ref().is_ok_and(rests) {
        context.tracks.forget(&key);
        return Ok(Action::await_change());
    }
    let action = tokio::time::timeout(TIMEOUT, Box::pin(context.look(&key))).await??;
    context.tracks.succeeded(&key);
    Ok(action)
}

fn key(request: &Guarded) -> Key {
    (request.namespace().unwrap_or_default(), request.name_any())
}

/// Whether nothing is left to do for a request, for good.
fn rests(request: &OpenBaoRestore) -> bool {
    let Some(status) = &request.status else { return false };
    let held = ConditionType::LockHeld.as_str();
    let may_hold_lock = status.conditions.iter().any(|it| it.type_ == held && it.status == "True");
    let is_guarded = request.finalizers().iter().any(|name| name == names::FINALIZER);
    status.phase.is_terminal() && !is_guarded && !may_hold_lock
}

/// The requests that a change of a cluster may concern.
fn of_cluster(
    store: &Store<Guarded>,
    cluster: &PartialObjectMeta<OpenBaoCluster>,
) -> Vec<ObjectRef<Guarded>> {
    let concerned = |request: &Guarded| {
        request.namespace() == cluster.namespace()
            && request.0.as_ref().is_ok_and(|it| it.spec.cluster == cluster.name_any() && !rests(it))
    };
    store.state_filter(concerned).iter().map(|request| ObjectRef::from_obj(request.as_ref())).collect()
}
