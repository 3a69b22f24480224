//! Writes to the world: one function per step, each of which may be taken again.

use super::RestoreError;
use super::fence;
use super::observe::Look;
use crate::lease::Leadership;
use crate::writer::{Acted, Writer, post};
use api::conditions::Reason;
use api::lock::Holder;
use api::names;
use api::{OpenBaoCluster, OpenBaoRestore, OperationLock};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, DeleteParams, Preconditions};
use plan::lock;
use plan::restore::{Outcome, Stage, Step, arbiter, job, objects};
use serde_json::{Value, json};

/// Takes the steps of one look.
pub(super) struct Hand<'a> {
    pub(super) client: &'a Client,
    pub(super) leadership: &'a Leadership,
    pub(super) look: &'a Look,
    /// The operator's own.
    pub(super) own_namespace: &'a str,
    pub(super) now: Timestamp,
}

impl Hand<'_> {
    /// Takes a step, unless this replica no longer leads.
    pub(super) async fn act(&self, step: &Step) -> Result<Acted, RestoreError> {
        let written = match step {
            Step::Guard => self.guard().await,
            Step::CreateTicket(stage) => self.writer().create(&objects::lease(&self.look.seen, *stage)).await,
            Step::Grant(stage) => self.grant(*stage).await,
            Step::CreateJob(stage) => self.create_job(*stage).await,
            Step::NameJob { stage, job } => self.name_job(*stage, job).await,
            Step::TakeArbiter => self.take_arbiter().await,
            Step::ReleaseArbiter => self.release_arbiter().await,
            Step::TakeLock => self.swap_lock(Some(&self.look.seen.our_lock(self.now))).await,
            Step::Fence(reason) => self.fence(*reason).await,
            Step::FenceRival => self.fence_rival().await,
            Step::EndRival => self.end_rival().await,
            Step::Record(outcome) => self.record(*outcome).await,
            Step::ReleaseLock => self.swap_lock(None).await,
            Step::DeleteJob(stage) => {
                self.delete_job(&objects::name(&self.look.seen, *stage), self.job_uid(*stage)?).await
            }
            Step::Retire(stage) => self.retire(*stage).await,
            Step::Free => self.free().await,
        };
        Acted::of(written)
    }

    /// Finalizer, `request-uid` and `request-name`, onto exactly the object that was looked at.
    async fn guard(&self) -> Result<(), RestoreError> {
        let metadata = &self.look.seen.request.metadata;
        let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
        if finalizers.iter().all(|name| name != names::FINALIZER) {
            finalizers.push(names::FINALIZER.to_owned());
        }
        let annotations = json!({names::REQUEST_UID: metadata.uid, names::REQUEST_NAME: metadata.name});
        self.patch_request(json!({"finalizers": finalizers, "annotations": annotations})).await
    }

    async fn free(&self) -> Result<(), RestoreError> {
        let mut finalizers = self.look.seen.request.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|name| name != names::FINALIZER);
        self.patch_request(json!({"finalizers": finalizers})).await
    }

    async fn grant(&self, stage: Stage) -> Result<(), RestoreError> {
        let seen = &self.look.seen;
        let cluster = seen.cluster.as_ref().ok_or(RestoreError::Raced)?;
        let account = objects::service_account(&seen.request, cluster);
        self.writer().apply_account(account).await?;
        self.writer().grant(&objects::role(seen, stage), &objects::role_binding(seen, stage)).await
    }

    async fn create_job(&self, stage: Stage) -> Result<(), RestoreError> {
        let job = job::job(&self.look.seen, stage, self.now).ok_or(RestoreError::Raced)?;
        self.writer().create(&job).await
    }

    async fn name_job(&self, stage: Stage, job: &str) -> Result<(), RestoreError> {
        let seen = &self.look.seen;
        let ticket = seen.run(stage).ticket.as_ref().ok_or(RestoreError::Raced)?;
        let patch = json!({"metadata": {"uid": ticket.uid, "annotations": {names::JOB_UID: job}}});
        self.writer().merge::<Lease>(&objects::name(seen, stage), &patch).await
    }

    /// Over exactly the version of the cluster that was read.
    async fn swap_lock(&self, lock: Option<&OperationLock>) -> Result<(), RestoreError> {
        let cluster = self.look.seen.cluster.as_ref().ok_or(RestoreError::Raced)?;
        self.patch_cluster(lock::swap(&cluster.metadata, lock)).await
    }

    async fn record(&self, outcome: Outcome) -> Result<(), RestoreError> {
        let seen = &self.look.seen;
        let cluster = seen.cluster.as_ref().ok_or(RestoreError::Raced)?;
        let read = json!({"uid": cluster.metadata.uid, "resourceVersion": cluster.metadata.resource_version});
        let restores = seen.records(outcome, self.now);
        self.patch_cluster(json!({"metadata": read, "status": {"restores": restores}})).await
    }

    async fn fence(&self, reason: Reason) -> Result<(), RestoreError> {
        let ticket = self.look.ticket.as_ref().ok_or(RestoreError::Raced)?;
        self.leadership.assured()?;
        fence::claim(&self.writer().api(), ticket, reason, self.now).await
    }

    async fn fence_rival(&self) -> Result<(), RestoreError> {
        let reason = Reason::LockOverridden;
        self.leadership.assured()?;
        match &self.look.rival_ticket {
            Some(ticket) => fence::claim(&self.writer().api(), ticket, reason, self.now).await,
            None => fence::forestall(&self.writer().api(), &self.holder()?, self.namespace(), reason).await,
        }
    }

    /// Over exactly the Lease that was read, or where there was none.
    async fn take_arbiter(&self) -> Result<(), RestoreError> {
        let mut lease = arbiter::lease(&self.look.seen).ok_or(RestoreError::Raced)?;
        let leases = self.arbiters();
        self.leadership.assured()?;
        match &self.look.arbiter {
            Some(read) => {
                lease.metadata.uid.clone_from(&read.metadata.uid);
                lease.metadata.resource_version.clone_from(&read.metadata.resource_version);
                let name = lease.metadata.name.clone().unwrap_or_default();
                leases.replace(&name, &post(), &lease).await?;
            }
            None => drop(leases.create(&post(), &lease).await?),
        }
        Ok(())
    }

    async fn release_arbiter(&self) -> Result<(), RestoreError> {
        let read = &self.look.arbiter.as_ref().ok_or(RestoreError::Raced)?.metadata;
        let only = Preconditions { uid: read.uid.clone(), resource_version: read.resource_version.clone() };
        self.leadership.assured()?;
        let name = read.name.as_deref().unwrap_or_default();
        self.arbiters().delete(name, &DeleteParams::default().preconditions(only)).await?;
        Ok(())
    }

    fn arbiters(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), self.own_namespace)
    }

    /// The other operation of ours that holds the lock.
    fn holder(&self) -> Result<Holder, RestoreError> {
        let lock = self.look.seen.cluster.as_ref().and_then(|it| it.status.as_ref()?.operation_lock.as_ref());
        lock.and_then(OperationLock::our_holder).ok_or(RestoreError::Raced)
    }

    fn namespace(&self) -> &str {
        self.look.seen.request.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// In foreground, so that the Job is seen until its pods have ended.
    async fn delete_job(&self, name: &str, uid: String) -> Result<(), RestoreError> {
        self.writer().delete::<Job>(name, &uid, DeleteParams::foreground()).await
    }

    /// The Job of the backup whose lock is to be overridden.
    async fn end_rival(&self) -> Result<(), RestoreError> {
        let holder = self.holder()?;
        self.delete_job(&holder.name, holder.uid).await
    }

    async fn retire(&self, stage: Stage) -> Result<(), RestoreError> {
        let patch = json!({"metadata": {"uid": self.job_uid(stage)?}, "spec": {"ttlSecondsAfterFinished": job::KEPT}});
        self.writer().merge::<Job>(&objects::name(&self.look.seen, stage), &patch).await
    }

    fn job_uid(&self, stage: Stage) -> Result<String, RestoreError> {
        let run = self.look.seen.run(stage);
        run.job.as_ref().map(|job| job.uid.clone()).ok_or(RestoreError::Raced)
    }

    async fn patch_request(&self, mut metadata: Value) -> Result<(), RestoreError> {
        let request = &self.look.seen.request.metadata;
        metadata["resourceVersion"] = json!(request.resource_version);
        let name = request.name.clone().unwrap_or_default();
        self.writer().merge::<OpenBaoRestore>(&name, &json!({"metadata": metadata})).await
    }

    async fn patch_cluster(&self, patch: Value) -> Result<(), RestoreError> {
        let name = self.look.seen.request.spec.cluster.clone();
        self.writer().merge_status::<OpenBaoCluster>(&name, &patch).await
    }

    fn writer(&self) -> Writer<'_> {
        Writer { client: self.client, leadership: self.leadership, namespace: self.namespace() }
    }
}
