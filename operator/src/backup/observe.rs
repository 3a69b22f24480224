//! Reads the world for the backups of one cluster. Every read goes to the API server, none to a watch cache.

use crate::restore::{Found, Reader, RestoreError, seen};
use api::conditions::ConditionType;
use api::{OpenBaoCluster, OpenBaoRestore, Phase, names};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Client;
use kube::api::{Api, ListParams};
use plan::backup::{BackupJob, Companion, CompanionKind, CronJobSeen, Installation, Ledger, Observed};
use plan::owned::cluster_label;
use plan::restore::Run;
use serde::de::DeserializeOwned;

/// What one look found.
pub(super) struct Look {
    pub(super) seen: Observed,
    /// The `CronJob` as it was read, for a write over exactly that.
    pub(super) cron_job: Option<CronJob>,
    /// The Jobs likewise.
    pub(super) jobs: Vec<Job>,
    /// The ticket likewise.
    pub(super) ticket: Option<Lease>,
}

/// Looks at a cluster and all that concerns its backups; none when it is gone, or nobody ever spoke of backups.
pub(super) async fn look(
    client: &Client,
    installation: &Installation,
    namespace: &str,
    name: &str,
) -> Result<Option<Look>, RestoreError> {
    let clusters = Api::<OpenBaoCluster>::namespaced(client.clone(), namespace);
    let Some(cluster) = clusters.get_opt(name).await?.filter(is_concerned) else { return Ok(None) };
    let namespaces = Api::<Namespace>::all(client.clone());
    let cron_jobs = Api::<CronJob>::namespaced(client.clone(), namespace);
    let jobs = Api::<Job>::namespaced(client.clone(), namespace);
    let labels =
        format!("{}=backup,{}={}", names::COMPONENT_LABEL, names::CLUSTER_LABEL, cluster_label(name));
    let labelled = ListParams::default().labels(&labels);
    let cron_job_name = names::backup_cron_job(name);
    let (home, cron_job, jobs) = tokio::try_join!(
        namespaces.get_opt(namespace),
        cron_jobs.get_opt(&cron_job_name),
        jobs.list(&labelled),
    )?;
    let mut seen = Observed {
        cluster,
        installation: installation.clone(),
        namespace_terminating: home.is_none_or(|home| home.metadata.deletion_timestamp.is_some()),
        cron_job: cron_job.as_ref().map(cron_job_seen),
        jobs: jobs.items.iter().map(backup_job).collect(),
        run: Run::default(),
        companions: Vec::new(),
        upload: None,
        markers: Vec::new(),
        restoring: Vec::new(),
    };
    let mut ticket = None;
    if let Some(work) = seen.work() {
        let found = Reader { client, namespace }.run(&work.job, &work.uid).await?;
        seen.companions = companions(&found);
        seen.run = found.run;
        // A Job of that name that was made anew is another one, and its ticket is another's.
        seen.run.job = seen.run.job.filter(|job| job.uid == work.uid);
        seen.run.ticket = seen.run.ticket.filter(|ticket| ticket.request.as_deref() == Some(&work.uid));
        ticket = found.ticket.filter(|_| seen.run.ticket.is_some());
        seen.upload = ticket.as_ref().and_then(|ticket| named(ticket, names::UPLOAD));
        seen.markers =
            ticket.as_ref().and_then(|ticket| named(ticket, names::SNAPSHOT_MARKER)).unwrap_or_default();
        // The Task is made once, with what its Job is resumed by.
        if seen.jobs.iter().any(|job| job.job.uid == work.uid && job.suspended) {
            seen.restoring = restoring(client, &seen).await?;
        }
    }
    Ok(Some(Look { seen, cron_job, jobs: jobs.items, ticket }))
}

/// Whether anybody spoke of backups of this cluster, or wants one before an upgrade, or one holds its lock.
fn is_concerned(cluster: &OpenBaoCluster) -> bool {
    let status = cluster.status.clone().unwrap_or_default();
    let told = ConditionType::BackupScheduled.as_str();
    let holder = status.operation_lock.as_ref().and_then(api::OperationLock::our_holder);
    let upgrade = cluster.spec.upgrade.as_ref();
    cluster.spec.backup.is_some()
        || upgrade.is_some_and(|upgrade| upgrade.pre_upgrade_snapshot == Some(true))
        || status.conditions.iter().any(|condition| condition.type_ == told)
        || holder.is_some_and(|holder| holder.operation == api::Operation::Backup)
}

/// Keys of its own that restores name which have not ended: those of this cluster, and of any other that is given its data.
async fn restoring(client: &Client, seen: &Observed) -> Result<Vec<String>, RestoreError> {
    let Some(folder) = seen.folder() else { return Ok(Vec::new()) };
    let all = Api::<OpenBaoRestore>::all(client.clone()).list(&ListParams::default()).await?;
    let goes_on = |restore: &OpenBaoRestore| {
        let phase = restore.status.as_ref().map_or(Phase::Pending, |status| status.phase);
        restore.spec.source.key.starts_with(&folder) && !phase.is_terminal()
    };
    Ok(all.items.into_iter().filter(goes_on).map(|restore| restore.spec.source.key).collect())
}

/// In the order in which they go: nobody is left with a right to what is not there any more.
fn companions(found: &Found) -> Vec<Companion> {
    let ticket = found.ticket.as_ref().map(|ticket| &ticket.metadata);
    let all = [
        (CompanionKind::RoleBinding, found.binding.as_ref()),
        (CompanionKind::Role, found.role.as_ref()),
        (CompanionKind::Ticket, ticket),
    ];
    let companion = |(kind, metadata): (CompanionKind, Option<&ObjectMeta>)| {
        // What waits for a finalizer has been deleted, and holds up nobody.
        let metadata = metadata.filter(|it| it.deletion_timestamp.is_none())?;
        Some(Companion {
            kind,
            uid: metadata.uid.clone().unwrap_or_default(),
            request: annotation(metadata, names::REQUEST_UID).map(str::to_owned),
            owner: controller(metadata).map(|owner| owner.uid.clone()),
        })
    };
    all.into_iter().filter_map(companion).collect()
}

/// What the ticket names for the next backup to settle.
fn named<T: DeserializeOwned>(lease: &Lease, name: &str) -> Option<T> {
    let text = annotation(&lease.metadata, name)?;
    let read = serde_json::from_str(text);
    if let Err(error) = &read {
        tracing::warn!(ticket = lease.metadata.name, name, %error, "what a ticket names cannot be read; it stays");
    }
    read.ok()
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

fn cron_job_seen(cron_job: &CronJob) -> CronJobSeen {
    let metadata = &cron_job.metadata;
    let spec = cron_job.spec.as_ref();
    let scheduled = cron_job.status.as_ref().and_then(|status| status.last_schedule_time.as_ref());
    CronJobSeen {
        uid: metadata.uid.clone().unwrap_or_default(),
        owner: controller(metadata).map(|owner| owner.uid.clone()),
        template: annotation(metadata, names::TEMPLATE).map(str::to_owned),
        spec: spec.cloned().unwrap_or_default(),
        last: scheduled.or(metadata.creation_timestamp.as_ref()).map(|time| time.0),
        deleting: metadata.deletion_timestamp.is_some(),
        ledger: annotation(metadata, names::LEDGER).map(Ledger::parse).unwrap_or_default(),
    }
}

fn backup_job(job: &Job) -> BackupJob {
    let metadata = &job.metadata;
    let template = job.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let slot = annotation(metadata, names::SLOT).and_then(|slot| slot.parse::<Timestamp>().ok());
    BackupJob {
        name: metadata.name.clone().unwrap_or_default(),
        job: seen::job(job),
        controller: controller(metadata).map(|owner| owner.uid.clone()),
        slot,
        template: annotation(metadata, names::TEMPLATE).map(str::to_owned),
        cause: annotation(metadata, names::CAUSE).map(str::to_owned),
        suspended: job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true)),
        has_task: template.is_some_and(|template| annotation(template, names::TASK).is_some()),
    }
}
