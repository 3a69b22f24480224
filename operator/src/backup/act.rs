//! Takes one step. Every write names what it was planned on, and a race is no error.

use super::observe::Look;
use crate::lease::Leadership;
use crate::restore::{RestoreError, fence};
use crate::writer::{Acted, Writer};
use api::conditions::Reason;
use api::task::{Problem, Task};
use api::{OpenBaoCluster, names};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Client;
use kube::api::{DeleteParams, ObjectMeta};
use plan::backup::{Cause, Companion, CompanionKind, Ledger, Step, Work, objects, task};
use plan::lock;
use serde_json::{Value, json};

/// Takes the steps of one look.
pub(super) struct Hand<'a> {
    pub(super) client: &'a Client,
    pub(super) leadership: &'a Leadership,
    pub(super) look: &'a Look,
    pub(super) now: Timestamp,
}

impl Hand<'_> {
    /// Takes a step, unless this replica no longer leads.
    pub(super) async fn act(&self, step: &Step) -> Result<Acted, RestoreError> {
        let written = match step {
            Step::ApplyCronJob => self.apply_cron_job().await,
            Step::DeleteCronJob => self.delete_cron_job().await,
            Step::CreateJob(cause) => self.create_job(cause).await,
            Step::DropJob { name, uid } => {
                self.writer().delete::<Job>(name, uid, DeleteParams::background()).await
            }
            Step::Refuse { name, problem } => self.refuse(name, problem).await,
            Step::TakeLock(work) => self.take_lock(work).await,
            Step::Remember(ledger) => self.remember(ledger).await,
            Step::CreateTicket => self.writer().create(&objects::lease(&self.look.seen, &self.work()?)).await,
            Step::Grant => self.grant().await,
            Step::Resume => self.resume().await,
            Step::NameJob => self.name_job().await,
            Step::Fence(reason) => self.fence(*reason).await,
            Step::EndJob => self.end_job().await,
            Step::ReleaseLock => {
                self.patch_cluster(&lock::swap(&self.look.seen.cluster.metadata, None)).await
            }
            Step::CleanUp(companions) => self.clean_up(companions).await,
        };
        Acted::of(written)
    }

    fn work(&self) -> Result<Work, RestoreError> {
        self.look.seen.work().ok_or(RestoreError::Raced)
    }

    /// One that is as before was changed back by somebody who does that to each of our writes: trying again at once
    /// changes nothing.
    async fn apply_cron_job(&self) -> Result<(), RestoreError> {
        let cron_job = objects::cron_job(&self.look.seen, self.now).ok_or(RestoreError::Raced)?;
        self.writer().apply_account(objects::service_account(&self.look.seen)).await?;
        let written = self.writer().apply(&cron_job).await?;
        let read = self.look.cron_job.as_ref().and_then(|it| it.metadata.resource_version.as_ref());
        if read.is_some() && read == written.metadata.resource_version.as_ref() {
            return Err(RestoreError::Raced);
        }
        Ok(())
    }

    async fn delete_cron_job(&self) -> Result<(), RestoreError> {
        let metadata = self.cron_job()?;
        let (name, uid) = (metadata.name.unwrap_or_default(), metadata.uid.unwrap_or_default());
        self.writer().delete::<CronJob>(&name, &uid, DeleteParams::background()).await
    }

    fn cron_job(&self) -> Result<ObjectMeta, RestoreError> {
        self.look.cron_job.as_ref().map(|it| it.metadata.clone()).ok_or(RestoreError::Raced)
    }

    async fn create_job(&self, cause: &Cause) -> Result<(), RestoreError> {
        let job = objects::job(&self.look.seen, cause).ok_or(RestoreError::Raced)?;
        self.writer().create(&job).await
    }

    async fn refuse(&self, name: &str, problem: &Problem) -> Result<(), RestoreError> {
        let task = task::refusal(&self.look.seen, name, problem, self.now).ok_or(RestoreError::Raced)?;
        self.hand_over(name, &task).await
    }

    /// Over exactly the version of the cluster that was read.
    async fn take_lock(&self, work: &Work) -> Result<(), RestoreError> {
        let metadata = &self.look.seen.cluster.metadata;
        let name = metadata.name.as_deref().unwrap_or_default();
        let taken = lock::taken(&work.holder(), name, self.now);
        self.patch_cluster(&lock::swap(metadata, Some(&taken))).await
    }

    async fn remember(&self, ledger: &Ledger) -> Result<(), RestoreError> {
        let read = self.cron_job()?;
        let patch = json!({"metadata": {
            "uid": read.uid, "resourceVersion": read.resource_version,
            "annotations": {names::LEDGER: ledger.text()},
        }});
        self.writer().merge::<CronJob>(&read.name.unwrap_or_default(), &patch).await
    }

    async fn grant(&self) -> Result<(), RestoreError> {
        let (seen, work) = (&self.look.seen, self.work()?);
        self.writer().grant(&objects::role(seen, &work), &objects::role_binding(seen, &work)).await
    }

    async fn resume(&self) -> Result<(), RestoreError> {
        let work = self.work()?;
        let task = task::task(&self.look.seen, &work, self.now).ok_or(RestoreError::Raced)?;
        self.hand_over(&work.job, &task).await
    }

    /// One write over exactly the Job that was read: it goes on, and it has its Task.
    async fn hand_over(&self, name: &str, task: &Task) -> Result<(), RestoreError> {
        let read = self.look.jobs.iter().find(|job| job.metadata.name.as_deref() == Some(name));
        let read = &read.ok_or(RestoreError::Raced)?.metadata;
        let text = serde_json::to_string(task).map_err(RestoreError::Unreadable)?;
        let template = json!({"metadata": {"annotations": {names::TASK: text}}});
        let patch = json!({
            "metadata": {"uid": read.uid, "resourceVersion": read.resource_version},
            "spec": {"suspend": false, "template": template},
        });
        self.writer().merge::<Job>(name, &patch).await
    }

    async fn name_job(&self) -> Result<(), RestoreError> {
        let work = self.work()?;
        let ticket = self.look.seen.run.ticket.as_ref().ok_or(RestoreError::Raced)?;
        let patch = json!({"metadata": {"uid": ticket.uid, "annotations": {names::JOB_UID: work.uid}}});
        self.writer().merge::<Lease>(&work.job, &patch).await
    }

    async fn fence(&self, reason: Reason) -> Result<(), RestoreError> {
        let ticket = self.look.ticket.as_ref().ok_or(RestoreError::Raced)?;
        self.leadership.assured()?;
        fence::claim(&self.writer().api(), ticket, reason, self.now).await
    }

    /// In foreground, so that the Job is seen until its pods have ended.
    async fn end_job(&self) -> Result<(), RestoreError> {
        let work = self.work()?;
        self.writer().delete::<Job>(&work.job, &work.uid, DeleteParams::foreground()).await
    }

    async fn clean_up(&self, companions: &[Companion]) -> Result<(), RestoreError> {
        let (name, writer) = (self.work()?.job, self.writer());
        for Companion { kind, uid, .. } in companions {
            let how = DeleteParams::background();
            match kind {
                CompanionKind::RoleBinding => writer.delete::<RoleBinding>(&name, uid, how).await?,
                CompanionKind::Role => writer.delete::<Role>(&name, uid, how).await?,
                CompanionKind::Ticket => writer.delete::<Lease>(&name, uid, how).await?,
            }
        }
        Ok(())
    }

    async fn patch_cluster(&self, patch: &Value) -> Result<(), RestoreError> {
        let name = self.look.seen.cluster.metadata.name.clone().unwrap_or_default();
        self.writer().merge_status::<OpenBaoCluster>(&name, patch).await
    }

    fn writer(&self) -> Writer<'_> {
        let namespace = self.look.seen.cluster.metadata.namespace.as_deref().unwrap_or_default();
        Writer { client: self.client, leadership: self.leadership, namespace }
    }
}
