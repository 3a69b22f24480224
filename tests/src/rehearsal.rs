//! A restore without OpenBao: a namespace with a cluster that nobody runs, requests for it, stubs in the executor's
//! place, and what has to be true at the end whatever happened on the way.

use crate::harness::Cluster;
use crate::stub::{self, Conductor};
use anyhow::ensure;
use api::conditions::{Condition, ConditionType, Reason};
use api::{OpenBaoCluster, OpenBaoRestore, OperationLock, Phase, names};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Name of the OpenBaoCluster.
pub const CLUSTER: &str = "c";

/// A whole rehearsal takes four seconds, and two minutes where only the cluster can tell; beside others, more.
const ENDS_WITHIN: Duration = Duration::from_mins(5);
/// What the API server says where the webhook did not answer it.
const NO_WEBHOOK: &str = "failed calling webhook";
/// How long a webhook that ends may be met.
const UPGRADED_WITHIN: Duration = Duration::from_secs(30);
const TRIED_EVERY: Duration = Duration::from_millis(500);

/// A namespace of its own.
#[derive(Clone)]
pub struct Rehearsal {
    cluster: &'static Cluster,
    client: Client,
    namespace: String,
    conductor: Conductor,
}

/// How a request stands when nothing goes on by itself any more.
#[derive(Clone, Debug)]
pub struct End {
    /// The request.
    pub request: OpenBaoRestore,
    /// How often it was posted.
    pub posts: usize,
    /// The lock of the cluster.
    pub lock: Option<OperationLock>,
}

impl Rehearsal {
    /// Makes namespace, OpenBaoCluster and conductor.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn begin(cluster: &'static Cluster, prefix: &str) -> anyhow::Result<Self> {
        let (client, namespace) = (cluster.client().await, cluster.namespace(prefix));
        let conductor = Conductor::start().await?;
        let rehearsal = Self { cluster, client, namespace, conductor };
        let object = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": CLUSTER}, "spec": {"replicas": 1},
        });
        let object = serde_json::from_value(object)?;
        rehearsal.api::<OpenBaoCluster>().create(&PostParams::default(), &object).await?;
        Ok(rehearsal)
    }

    /// Its own.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Of its stubs.
    #[must_use]
    pub fn conductor(&self) -> &Conductor {
        &self.conductor
    }

    /// Objects of its namespace, as administrator.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A request whose Jobs are stubs.
    #[must_use]
    pub fn request(&self, name: &str) -> Value {
        json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore", "metadata": {"name": name},
            "spec": {
                "cluster": CLUSTER, "executorImage": stub::IMAGE, "tokenSecretRef": {"name": "none"},
                "source": {"key": self.conductor.key(), "target": {
                    "endpoint": "https://s3.storage.svc:9000", "bucket": "rehearsal", "usePathStyle": true,
                    "credentialsSecretRef": {"name": "none"},
                }},
            },
        })
    }

    /// Creates a request. A webhook that an upgrade ends may break its connection: it is tried again, as anybody would.
    ///
    /// # Errors
    /// When admission refuses it.
    pub async fn create(&self, request: &Value) -> anyhow::Result<OpenBaoRestore> {
        let (requests, object) = (self.api(), serde_json::from_value(request.clone())?);
        let begun = Instant::now();
        loop {
            match requests.create(&PostParams::default(), &object).await {
                Err(kube::Error::Api(status))
                    if status.message.contains(NO_WEBHOOK) && begun.elapsed() < UPGRADED_WITHIN =>
                {
                    sleep(TRIED_EVERY).await;
                }
                created => return Ok(created?),
            }
        }
    }

    /// The request as it is, if it is.
    ///
    /// # Panics
    /// When the API server does not answer.
    pub async fn stored(&self, name: &str) -> Option<OpenBaoRestore> {
        self.api().get_opt(name).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Waits until the request is as it has to be.
    ///
    /// # Panics
    /// When it is not within five minutes.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&OpenBaoRestore) -> bool,
    ) -> OpenBaoRestore {
        let what = format!("{name} in {} {what}", self.namespace);
        self.eventually(&what, async || self.stored(name).await.filter(|request| holds(request))).await
    }

    /// Waits for an answer.
    ///
    /// # Panics
    /// When there is none within five minutes.
    pub async fn eventually<T>(&self, what: &str, question: impl AsyncFnMut() -> Option<T>) -> T {
        self.cluster.eventually(what, ENDS_WITHIN, question).await
    }

    /// Waits until nothing goes on by itself any more: the request is finished and freed, or nobody knows its outcome.
    ///
    /// # Panics
    /// When it does not come to rest within five minutes.
    pub async fn end(&self, name: &str) -> End {
        let request =
            self.until(name, "comes to rest", |request| is_freed(request) || is_unknown(request)).await;
        End { posts: self.conductor.posts().len(), lock: self.lock().await, request }
    }

    /// The lock of the cluster, unless it is free.
    ///
    /// # Panics
    /// When the API server does not answer.
    pub async fn lock(&self) -> Option<OperationLock> {
        let cluster = self.api::<OpenBaoCluster>().get_opt(CLUSTER).await;
        let cluster = cluster.unwrap_or_else(|error| panic!("{CLUSTER}: {error}"));
        cluster?.status?.operation_lock
    }

    /// What of ours is there. The ServiceAccount stays as long as the cluster.
    ///
    /// # Panics
    /// When the API server does not answer.
    pub async fn left_over(&self) -> Vec<String> {
        [
            self.names::<Job>().await,
            self.names::<Pod>().await,
            self.names::<Lease>().await,
            self.names::<Role>().await,
            self.names::<RoleBinding>().await,
            self.names::<ServiceAccount>().await,
        ]
        .concat()
    }

    async fn names<K>(&self) -> Vec<String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let ours = ListParams::default().labels(&format!("{}={}", names::MANAGED_BY, names::MANAGER));
        let found =
            self.api::<K>().list(&ours).await.unwrap_or_else(|error| panic!("{}: {error}", K::kind(&())));
        found.iter().map(|object| format!("{} {}", K::kind(&()), object.name_any())).collect()
    }
}

impl End {
    /// What holds of every end: nothing was posted twice, a finished request tells the truth and has given the lock
    /// back, and one whose outcome is unknown says so and keeps it.
    ///
    /// # Errors
    /// What does not hold.
    pub fn judge(&self) -> anyhow::Result<()> {
        let applied = condition(&self.request, ConditionType::Applied);
        let applied = applied.map(|applied| applied.status.as_str()).unwrap_or_default();
        let phase = phase(&self.request);
        let is_ours = self.lock.as_ref().is_some_and(OperationLock::is_ours);
        let sound = match phase {
            Phase::Completed => (self.posts, applied, is_ours) == (1, "True", false),
            Phase::Failed => (self.posts, applied, is_ours) == (0, "False", false),
            Phase::Running => self.posts <= 1 && is_ours && is_unknown(&self.request),
            Phase::Pending | Phase::Validating => false,
        };
        ensure!(
            sound,
            "{phase:?}, Applied={applied:?}, {} POSTs, lock {:?}, {:?}",
            self.posts,
            self.lock,
            self.request.status
        );
        Ok(())
    }
}

/// How far it has come.
#[must_use]
pub fn phase(request: &OpenBaoRestore) -> Phase {
    request.status.as_ref().map(|status| status.phase).unwrap_or_default()
}

/// What its status says of one thing.
#[must_use]
pub fn condition(request: &OpenBaoRestore, kind: ConditionType) -> Option<&Condition> {
    request.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// The reason of a condition; empty without one.
#[must_use]
pub fn reason(request: &OpenBaoRestore, kind: ConditionType) -> &str {
    condition(request, kind).map(|condition| condition.reason.as_str()).unwrap_or_default()
}

/// Whether it is finished and was cleaned up after.
#[must_use]
pub fn is_freed(request: &OpenBaoRestore) -> bool {
    let is_held = request.finalizers().iter().any(|name| name == names::FINALIZER);
    phase(request).is_terminal() && !is_held
}

/// Whether it waits for somebody who knows its outcome, and says so.
#[must_use]
pub fn is_unknown(request: &OpenBaoRestore) -> bool {
    let says =
        |kind, status: &str| condition(request, kind).is_some_and(|condition| condition.status == status);
    phase(request) == Phase::Running
        && says(ConditionType::Applied, "Unknown")
        && says(ConditionType::Stalled, "True")
        && reason(request, ConditionType::Applied) == Reason::OutcomeUnknown.as_str()
}
