//! The way of one restore to its verdict.

use crate::site::{KEPT, LOST, Site, eventually, namespace, order, pod_of};
use api::conditions::Reason;
use api::{OpenBaoCluster, OpenBaoRestore, Phase, names};
use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use serde_json::Value;
use tests::fault_proxy::{Condition, Held, Stopped};

/// How a restore must end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) phase: Phase,
    /// Of the condition Finished.
    pub(crate) reason: Reason,
    /// Whole snapshots that were posted, to all servers together.
    pub(crate) posts: usize,
    /// What OpenBao answers.
    pub(crate) value: &'static str,
}

/// It was applied, and is proved.
pub(crate) const APPLIED: Verdict =
    Verdict { phase: Phase::Completed, reason: Reason::Proved, posts: 1, value: KEPT };
/// It was posted and not applied, and that is proved.
pub(crate) const NOT_APPLIED: Verdict =
    Verdict { phase: Phase::Failed, reason: Reason::NotApplied, posts: 1, value: LOST };

/// A request, and what is known of it.
pub(crate) struct Restore {
    client: Client,
    cluster: String,
    name: String,
    posts_before: usize,
}

impl Restore {
    pub(crate) async fn request(site: &Site, name: &str, manifest: &Value) -> Self {
        let (client, cluster) = (site.client.clone(), site.name.clone());
        let restore = Self { client, cluster, name: name.to_owned(), posts_before: site.posts() };
        let request: OpenBaoRestore = serde_json::from_value(manifest.clone()).unwrap();
        restore.objects().create(&PostParams::default(), &request).await.unwrap();
        restore
    }

    /// Waits until it is stopped where it was to be; one that ends instead fails the test.
    pub(crate) async fn held(&self, stopped: Stopped) -> Held {
        tokio::select! {
            held = stopped.held() => held.unwrap(),
            ended = self.ended() => panic!("{} was never stopped: {:?}", self.name, ended.status),
        }
    }

    /// Nothing is decided: not that it was not applied, and not that it was; the lock is kept.
    pub(crate) async fn is_undecided(&self) {
        let (object, name) = (self.stored().await, &self.name);
        let status = object.status.clone().unwrap();
        assert_eq!(status.phase, Phase::Running, "{name}: {status:?}");
        assert!(["", "Unknown"].contains(&condition(&object, "Applied").0), "{name}: {status:?}");
        let holder = self.lock_holder().await;
        assert!(holder.contains(&format!("/restore/{name}/")), "{name}: {holder:?}");
    }

    /// Waits for the end, and holds it against what must be true then.
    pub(crate) async fn judge(&self, site: &Site, expected: &Verdict) -> OpenBaoRestore {
        let (object, name) = (self.ended().await, &self.name);
        let status = object.status.clone().unwrap();
        assert_eq!(status.phase, expected.phase, "{name}: {status:?}");
        assert_eq!(condition(&object, "Finished"), ("True", expected.reason.as_str()), "{name}: {status:?}");
        let applied = if expected.phase == Phase::Completed { "True" } else { "False" };
        assert_eq!(condition(&object, "Applied").0, applied, "{name}: {status:?}");
        assert_eq!(self.lock_holder().await, "", "{name}: the lock is free");
        assert_eq!(site.posts() - self.posts_before, expected.posts, "{name}: posts");
        assert_eq!(site.value().await, expected.value, "{name}: {status:?}");
        println!("{name}: {:?} {}, {}", status.phase, expected.reason.as_str(), expected.value);
        object
    }

    /// Makes the node do something to its pod.
    pub(crate) async fn fault(&self, fault: &str) {
        order(&self.pod().await, fault);
    }

    /// Kills its executor, and waits until the node has said so.
    pub(crate) async fn kill(&self) {
        self.fault("kill").await;
        eventually("the end of the executor", async || {
            let status = self.pod().await.status.unwrap();
            let state = status.container_statuses.unwrap()[0].state.clone().unwrap();
            state.terminated
        })
        .await;
    }

    /// Freezes its executor, and waits until not a process of it runs.
    pub(crate) async fn freeze(&self) {
        self.fault("freeze").await;
        let status = self.pod().await.status.unwrap().container_statuses.unwrap()[0].clone();
        let outer = status.container_id.unwrap().replace("process://", "");
        eventually("the executor stands still", async || {
            let inner = descendants(&outer);
            (!inner.is_empty() && inner.iter().all(|process| is_stopped(process))).then_some(())
        })
        .await;
    }

    /// Holds as soon as a pod has claimed its ticket.
    pub(crate) fn is_claimed(&self) -> Condition {
        let (leases, ticket) = (self.objects::<Lease>(), names::restore_job(&self.name));
        Box::new(move || -> BoxFuture<'static, bool> {
            let (leases, ticket) = (leases.clone(), ticket.clone());
            Box::pin(async move {
                let lease = leases.get_opt(&ticket).await.unwrap();
                let holder = lease.and_then(|lease| lease.spec?.holder_identity);
                holder.is_some_and(|holder| !holder.is_empty())
            })
        })
    }

    async fn pod(&self) -> Pod {
        pod_of(&self.client, &names::restore_job(&self.name)).await
    }

    /// Waits until the request is finished and has been cleaned up after.
    async fn ended(&self) -> OpenBaoRestore {
        eventually(&format!("the end of {}", self.name), async || {
            let object = self.stored().await;
            let is_over = condition(&object, "Finished").0 == "True" && object.metadata.finalizers.is_none();
            is_over.then_some(object)
        })
        .await
    }

    async fn lock_holder(&self) -> String {
        let clusters: Api<OpenBaoCluster> = self.objects();
        let status = clusters.get(&self.cluster).await.unwrap().status;
        status.and_then(|status| status.operation_lock).map(|lock| lock.holder).unwrap_or_default()
    }

    async fn stored(&self) -> OpenBaoRestore {
        self.objects().get(&self.name).await.unwrap()
    }

    fn objects<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace())
    }
}

/// Status and reason of a condition; empty where there is none.
pub(crate) fn condition<'a>(object: &'a OpenBaoRestore, kind: &str) -> (&'a str, &'a str) {
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let found = conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or(("", ""), |condition| (condition.status.as_str(), condition.reason.as_str()))
}

/// Every process below `process`.
fn descendants(process: &str) -> Vec<String> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    children
        .split_whitespace()
        .flat_map(|child| [vec![child.to_owned()], descendants(child)].concat())
        .collect()
}

fn is_stopped(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
}
