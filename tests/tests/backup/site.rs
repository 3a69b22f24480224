//! Clusters that nobody runs, in a namespace of their own, with stubs in the executor's place.

use crate::support::cluster;
use api::task::TaskKind;
use api::{OpenBaoCluster, OperationLock, names};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;
use tests::rehearsal::{CLUSTER, Rehearsal};
use tests::stub::{self, Step};

const FREED_WITHIN: Duration = Duration::from_mins(1);

/// The namespace, and the cluster [`CLUSTER`] in it.
pub(crate) struct Site {
    pub(crate) rehearsal: Rehearsal,
}

impl Site {
    /// With backups by hand.
    pub(crate) async fn begin(prefix: &str) -> Self {
        let site = Self { rehearsal: Rehearsal::begin(cluster(), prefix).await.unwrap() };
        site.patch(&json!({"spec": {"backup": site.backup()}})).await;
        site
    }

    /// `spec.backup` whose Jobs are stubs.
    pub(crate) fn backup(&self) -> Value {
        json!({
            "executorImage": stub::IMAGE, "tokenSecretRef": {"name": "none"},
            "target": {
                "endpoint": "https://s3.storage.svc:9000", "bucket": "rehearsal", "usePathStyle": true,
                "credentialsSecretRef": {"name": "none"}, "pathPrefix": self.rehearsal.conductor().key(),
            },
        })
    }

    pub(crate) async fn patch(&self, patch: &Value) {
        let clusters = self.rehearsal.api::<OpenBaoCluster>();
        clusters.patch(CLUSTER, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Another cluster with the same backups.
    pub(crate) async fn add(&self, name: &str, schedule: &str) {
        let mut backup = self.backup();
        backup["schedule"] = json!(schedule);
        let object = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": {"name": name},
            "spec": {"replicas": 1, "backup": backup},
        });
        let object = serde_json::from_value(object).unwrap();
        self.rehearsal.api::<OpenBaoCluster>().create(&PostParams::default(), &object).await.unwrap();
    }

    /// `kubectl create job --from=cronjob/c-backup NAME`.
    pub(crate) async fn make(&self, name: &str) {
        let namespace = self.rehearsal.namespace().to_owned();
        let made = async || {
            let arguments = ["create", "job", "--from=cronjob/c-backup", name, "-n", &namespace];
            (cluster().kubectl(&arguments, None).code == 0).then_some(())
        };
        self.rehearsal.eventually("the CronJob is there", made).await;
    }

    pub(crate) async fn status_of(&self, name: &str) -> Value {
        let cluster = self.rehearsal.api::<OpenBaoCluster>().get(name).await.unwrap();
        json!(cluster.status.unwrap_or_default())
    }

    /// Waits until `status.backup` is as it has to be and the lock is free.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.rehearsal.eventually(what, async || self.free(&holds).await).await
    }

    /// The same within a minute after its pods are gone.
    pub(crate) async fn freed(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let gone = async || {
            let pods = self.rehearsal.api::<Pod>().list(&ListParams::default()).await.unwrap();
            pods.iter().all(is_over).then_some(())
        };
        self.rehearsal.eventually("no pod is left that may work", gone).await;
        cluster().eventually(what, FREED_WITHIN, async || self.free(&holds).await).await
    }

    /// `status.backup`, if it is as it has to be and the lock is free.
    async fn free(&self, holds: &impl Fn(&Value) -> bool) -> Option<Value> {
        let status = self.status_of(CLUSTER).await;
        let backup = &status["backup"];
        (holds(backup) && status["operationLock"].is_null()).then(|| backup.clone())
    }

    pub(crate) async fn lock(&self) -> Option<OperationLock> {
        self.rehearsal.lock().await
    }

    /// Waits until so many backups have asked for the step; gives the UID of the pod that asked last.
    pub(crate) async fn asked(&self, step: Step, count: usize) -> String {
        self.rehearsal.conductor().asked(TaskKind::Backup, step, count).await.pop().unwrap()
    }

    /// What the node does to the pod.
    pub(crate) async fn fault(&self, uid: &str, fault: &str) {
        let pod = self.pod(uid).await;
        cluster().fault(self.rehearsal.namespace(), &pod, fault);
    }

    /// What Kubernetes does to a pod whose node is gone: its garbage collector says that it failed, and deletes it.
    pub(crate) async fn collected(&self, uid: &str) {
        let (pods, pod) = (self.rehearsal.api::<Pod>(), self.pod(uid).await);
        let failed = Patch::Merge(json!({"status": {"phase": "Failed"}}));
        pods.patch_status(&pod, &PatchParams::default(), &failed).await.unwrap();
        pods.delete(&pod, &DeleteParams::default().grace_period(0)).await.unwrap();
    }

    async fn pod(&self, uid: &str) -> String {
        let all = self.rehearsal.api::<Pod>().list(&ListParams::default()).await.unwrap();
        all.items.iter().find(|pod| pod.uid().as_deref() == Some(uid)).unwrap().name_any()
    }

    /// Tickets and rights that are left.
    pub(crate) async fn left_over(&self) -> Vec<String> {
        let ours = ListParams::default().labels(&format!("{}=backup", names::COMPONENT_LABEL));
        let rehearsal = &self.rehearsal;
        let mut left: Vec<String> = Vec::new();
        left.extend(rehearsal.api::<Lease>().list(&ours).await.unwrap().iter().map(ResourceExt::name_any));
        left.extend(rehearsal.api::<Role>().list(&ours).await.unwrap().iter().map(ResourceExt::name_any));
        left.extend(
            rehearsal.api::<RoleBinding>().list(&ours).await.unwrap().iter().map(ResourceExt::name_any),
        );
        left
    }

    pub(crate) async fn cron_job(&self) -> Option<CronJob> {
        self.rehearsal.api::<CronJob>().get_opt("c-backup").await.unwrap()
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        self.rehearsal.api::<Job>().list(&ListParams::default()).await.unwrap().items
    }
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// A failed backup is told of with this reason.
pub(crate) fn failed_with(backup: &Value, reason: &str) -> bool {
    backup["lastFailureReason"].as_str().is_some_and(|text| text.starts_with(&format!("{reason}:")))
}
