//! The way of one restore to its verdict.

use super::{KEPT, LOST, Place, Site};
use crate::fault_proxy::{Condition, Held, Stopped};
use anyhow::Context;
use api::conditions::Reason;
use api::{OpenBaoCluster, OpenBaoRestore, Phase, names};
use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::Value;

/// How a restore must end.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Completed or Failed.
    pub phase: Phase,
    /// Of the condition Finished.
    pub reason: Reason,
    /// Whole snapshots of which the last byte was sent, to all servers together.
    pub tails: usize,
    /// What OpenBao answers.
    pub value: &'static str,
}

/// It was applied, and is proved.
pub const APPLIED: Verdict =
    Verdict { phase: Phase::Completed, reason: Reason::Proved, tails: 1, value: KEPT };
/// It was not applied, and that is certain.
pub const NOT_APPLIED: Verdict =
    Verdict { phase: Phase::Failed, reason: Reason::NotApplied, tails: 0, value: LOST };

/// A request, and what is known of it.
#[derive(Clone)]
pub struct Restore {
    /// Of the request, and of the site.
    pub name: String,
    place: Place,
    cluster: String,
    tails_before: usize,
}

impl Restore {
    /// Creates the request.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn request(site: &Site, name: &str, manifest: &Value) -> anyhow::Result<Self> {
        let (place, tails_before) = (site.place.clone(), site.tails());
        let cluster = manifest["spec"]["cluster"].as_str().context("no cluster")?.to_owned();
        let restore = Self { name: name.to_owned(), place, cluster, tails_before };
        let request: OpenBaoRestore = serde_json::from_value(manifest.clone())?;
        restore.place.objects().create(&PostParams::default(), &request).await?;
        Ok(restore)
    }

    /// Waits until it is stopped where it was to be.
    ///
    /// # Panics
    /// When it ends instead, or nothing comes.
    pub async fn held(&self, stopped: Stopped) -> Held {
        tokio::select! {
            held = stopped.held() => held.unwrap_or_else(|error| panic!("{}: {error}", self.name)),
            ended = self.ended() => panic!("{} was never stopped: {:?}", self.name, ended.status),
        }
    }

    /// Nothing is decided: not that it was not applied, and not that it was; the lock is kept.
    ///
    /// # Panics
    /// When it is decided.
    pub async fn is_undecided(&self) {
        let (object, name) = (self.stored().await, &self.name);
        let status = object.status.clone().unwrap_or_default();
        assert_eq!(status.phase, Phase::Running, "{name}: {status:?}");
        assert!(["", "Unknown"].contains(&condition(&object, "Applied").0), "{name}: {status:?}");
        let holder = self.lock_holder().await;
        assert!(holder.contains(&format!("/restore/{name}/")), "{name}: {holder:?}");
    }

    /// Waits for the end, and holds it against what must be true then.
    ///
    /// # Panics
    /// When it is not.
    pub async fn judge(&self, site: &Site, expected: &Verdict) -> OpenBaoRestore {
        let (object, name) = (self.ended().await, &self.name);
        let status = object.status.clone().unwrap_or_default();
        assert_eq!(status.phase, expected.phase, "{name}: {status:?}");
        assert_eq!(condition(&object, "Finished"), ("True", expected.reason.as_str()), "{name}: {status:?}");
        let applied = if expected.phase == Phase::Completed { "True" } else { "False" };
        assert_eq!(condition(&object, "Applied").0, applied, "{name}: {status:?}");
        assert_eq!(self.lock_holder().await, "", "{name}: the lock is free");
        assert_eq!(site.tails() - self.tails_before, expected.tails, "{name}: tails sent");
        let value = site.value().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(value, expected.value, "{name}: {status:?}");
        println!("{name}: {:?} {}, {}", status.phase, expected.reason.as_str(), expected.value);
        object
    }

    /// Makes the node do something to its pod.
    ///
    /// # Panics
    /// When it has none.
    pub async fn fault(&self, fault: &str) {
        self.place.order(&self.pod().await, fault);
    }

    /// Kills its executor, and waits until the node has said so.
    ///
    /// # Panics
    /// When it has none.
    pub async fn kill(&self) {
        self.fault("kill").await;
        self.place
            .eventually("the end of the executor", async || {
                let statuses = self.pod().await.status?.container_statuses?;
                statuses.first()?.state.clone()?.terminated
            })
            .await;
    }

    /// Deletes its pod, as kubectl does, and does not wait.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn delete_pod(&self) {
        let (pods, pod): (Api<Pod>, Pod) = (self.place.objects(), self.pod().await);
        let deleted = pods.delete(&pod.name_any(), &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Freezes its executor, and waits until not a process of it runs.
    ///
    /// # Panics
    /// When it has none.
    pub async fn freeze(&self) {
        self.fault("freeze").await;
        let id = self
            .pod()
            .await
            .status
            .and_then(|status| status.container_statuses?.first()?.container_id.clone());
        let outer = id.unwrap_or_default().replace("process://", "");
        self.place
            .eventually("the executor stands still", async || {
                let inner = descendants(&outer);
                (!inner.is_empty() && inner.iter().all(|process| is_stopped(process))).then_some(())
            })
            .await;
    }

    /// Holds as soon as a pod has claimed its ticket.
    #[must_use]
    pub fn is_claimed(&self) -> Condition {
        self.on_ticket(|lease| {
            lease.spec.and_then(|spec| spec.holder_identity).is_some_and(|holder| !holder.is_empty())
        })
    }

    /// Holds as soon as it has its ticket: its check is over.
    #[must_use]
    pub fn is_at_work(&self) -> Condition {
        self.on_ticket(|_| true)
    }

    fn on_ticket(&self, is_so: fn(Lease) -> bool) -> Condition {
        let restore = self.clone();
        Box::new(move || -> BoxFuture<'static, bool> {
            let restore = restore.clone();
            Box::pin(async move { restore.ticket().await.is_some_and(is_so) })
        })
    }

    /// Its ticket, once it has one.
    pub async fn ticket(&self) -> Option<Lease> {
        let leases: Api<Lease> = self.place.objects();
        leases.get_opt(&names::restore_job(&self.name)).await.ok()?
    }

    /// Who has claimed its ticket; empty where nobody has.
    pub async fn claimant(&self) -> String {
        self.ticket().await.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
    }

    /// The pod that restores.
    ///
    /// # Panics
    /// When there is none.
    pub async fn pod(&self) -> Pod {
        let pod = self.place.pod_of(&names::restore_job(&self.name)).await;
        pod.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Waits until the request is finished and has been cleaned up after.
    pub async fn ended(&self) -> OpenBaoRestore {
        self.place
            .eventually(&format!("the end of {}", self.name), async || {
                let object = self.stored().await;
                let is_over =
                    condition(&object, "Finished").0 == "True" && object.metadata.finalizers.is_none();
                is_over.then_some(object)
            })
            .await
    }

    /// Who holds the lock of its cluster; empty where nobody does.
    ///
    /// # Panics
    /// When the API server does not answer.
    pub async fn lock_holder(&self) -> String {
        let clusters: Api<OpenBaoCluster> = self.place.objects();
        let cluster =
            clusters.get(&self.cluster).await.unwrap_or_else(|error| panic!("{}: {error}", self.cluster));
        cluster.status.and_then(|status| status.operation_lock).map(|lock| lock.holder).unwrap_or_default()
    }

    /// The request as it is.
    ///
    /// # Panics
    /// When the API server does not answer.
    pub async fn stored(&self) -> OpenBaoRestore {
        let requests: Api<OpenBaoRestore> = self.place.objects();
        requests.get(&self.name).await.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// A human says what became of it: `applied` or `not-applied`.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn settle(&self, outcome: &str) {
        let word = format!("{}={}/{outcome}", names::OUTCOME, self.stored().await.uid().unwrap_or_default());
        let arguments = ["annotate", "obr", &self.name, "-n", &self.place.namespace, &word];
        let output = self.place.cluster.kubectl(&arguments, None);
        assert_eq!(output.code, 0, "{}: {}", self.name, output.stderr);
    }
}

/// Status and reason of a condition; empty where there is none.
#[must_use]
pub fn condition<'a>(object: &'a OpenBaoRestore, kind: &str) -> (&'a str, &'a str) {
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
