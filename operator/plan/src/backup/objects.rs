//! The objects of a cluster's backups: the `CronJob`, Jobs that no schedule makes, and the ticket of the one at work.

use super::observed::{UPGRADE, Work};
use super::{Cause, Observed, task, times};
use crate::job::once;
use crate::owned::{self, owner};
use crate::pod::{self, Parts};
use api::{BackupSpec, names};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{PodTemplateSpec, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

/// How long the pod of a backup may take: a day of moving, and an hour for the rest of it.
const BUDGET: SignedDuration = SignedDuration::from_hours(25);
/// Finished Jobs that are kept, good and bad ones: manual ones count too.
const HISTORY: i32 = 3;
/// A schedule for a `CronJob` that makes no Jobs by itself.
const NEVER: &str = "@yearly";
/// Its time zone where the cluster names none.
const UTC: &str = "Etc/UTC";
/// Kubernetes says so of a Job that was made by hand.
const INSTANTIATE: &str = "cronjob.kubernetes.io/instantiate";

/// The `CronJob`, for server-side apply; none while the cluster says nothing of backups.
#[must_use]
pub fn cron_job(seen: &Observed, now: Timestamp) -> Option<CronJob> {
    let spec = seen.spec()?;
    Some(CronJob {
        metadata: ObjectMeta {
            annotations: digest(seen).map(annotations),
            ..metadata(seen, names::backup_cron_job(seen.name()))
        },
        spec: Some(cron_job_spec(seen, spec, now)),
        status: None,
    })
}

/// What the `CronJob` has to say.
pub(super) fn cron_job_spec(seen: &Observed, spec: &BackupSpec, now: Timestamp) -> CronJobSpec {
    CronJobSpec {
        schedule: spec.schedule.as_deref().unwrap_or(NEVER).to_owned(),
        // Without one it is that of whatever machine the controller of `CronJob`s runs on.
        time_zone: Some(spec.time_zone.as_deref().unwrap_or(UTC).to_owned()),
        suspend: Some(is_suspended(seen, spec, now)),
        concurrency_policy: Some("Forbid".to_owned()),
        starting_deadline_seconds: Some(times::wait(spec, now).as_secs()),
        successful_jobs_history_limit: Some(HISTORY),
        failed_jobs_history_limit: Some(HISTORY),
        job_template: JobTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(owned::labels(seen.name(), "backup")),
                annotations: digest(seen).map(annotations),
                ..ObjectMeta::default()
            }),
            spec: Some(template(seen, spec)),
        },
    }
}

fn annotations(digest: String) -> BTreeMap<String, String> {
    BTreeMap::from([(names::TEMPLATE.to_owned(), digest)])
}

/// Whether no Job is made by schedule.
pub(super) fn is_suspended(seen: &Observed, spec: &BackupSpec, now: Timestamp) -> bool {
    spec.schedule.is_none() || spec.suspend || seen.foreign(now).is_some()
}

/// Of all that a Job is made from.
pub(super) fn digest(seen: &Observed) -> Option<String> {
    let text = serde_json::to_string(&template(seen, seen.spec()?)).ok()?;
    Some(names::hash(&text))
}

/// A Job as it is born: suspended, without a Task.
fn template(seen: &Observed, spec: &BackupSpec) -> JobSpec {
    let login = task::login(&seen.cluster, spec);
    let parts = Parts {
        account: names::backup_service_account(seen.name()),
        image: spec
            .executor_image
            .clone()
            .or_else(|| spec.image.clone())
            .or(Some(seen.installation.image.clone())),
        target: &spec.target,
        login: login.as_ref(),
        token: spec.token_secret_ref.as_ref(),
        audience: Some(spec.audience.as_deref().unwrap_or(&seen.installation.audience)),
        authority: pod::authority(Some(&seen.cluster), seen.name()),
        staging: None,
        networks: &seen.installation.networks,
        deadline: BUDGET,
    };
    let labels = owned::labels(seen.name(), "backup");
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
        spec: Some(pod::spec(&parts)),
    };
    JobSpec { suspend: Some(true), ..once(BUDGET, template) }
}

/// A Job that no schedule makes, owned by the `CronJob` as if it had made it.
#[must_use]
pub fn job(seen: &Observed, cause: &Cause) -> Option<Job> {
    let (spec, cron_job) = (seen.spec()?, seen.own_cron_job()?);
    let mut annotations = BTreeMap::from([
        (names::TEMPLATE.to_owned(), digest(seen)?),
        (names::CAUSE.to_owned(), cause.text()),
        (INSTANTIATE.to_owned(), "manual".to_owned()),
    ]);
    if let Cause::Slot(slot) = cause {
        annotations.insert(names::SLOT.to_owned(), slot.clone());
    }
    let controller = OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "CronJob".to_owned(),
        name: names::backup_cron_job(seen.name()),
        uid: cron_job.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    Some(Job {
        metadata: ObjectMeta {
            annotations: Some(annotations),
            owner_references: Some(vec![controller]),
            ..metadata(seen, job_name(seen, cause))
        },
        spec: Some(template(seen, spec)),
        status: None,
    })
}

/// Name of the Job of a cause.
pub(super) fn job_name(seen: &Observed, cause: &Cause) -> String {
    let template = digest(seen).unwrap_or_default();
    match cause {
        Cause::Slot(_) => names::backup_job(seen.name(), &format!("{} {template}", cause.text())),
        Cause::Trigger(_) | Cause::Upgrade(_) => names::backup_job(seen.name(), &cause.text()),
    }
}

impl Cause {
    /// The value of the annotation `openbao.org/cause`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Trigger(value) => format!("trigger/{value}"),
            Self::Upgrade(version) => format!("{UPGRADE}{version}"),
            Self::Slot(slot) => format!("slot/{slot}"),
        }
    }
}

/// The `ServiceAccount` of the cluster's backups, for server-side apply.
#[must_use]
pub fn service_account(seen: &Observed) -> ServiceAccount {
    let name = names::backup_service_account(seen.name());
    owned::service_account(name, owned::labels(seen.name(), "backup"), &seen.cluster.metadata)
}

/// The ticket of the Job at work, unclaimed.
#[must_use]
pub fn lease(seen: &Observed, work: &Work) -> Lease {
    Lease { metadata: of_work(seen, work), spec: None }
}

/// The right to read and write that ticket.
#[must_use]
pub fn role(seen: &Observed, work: &Work) -> Role {
    owned::role(of_work(seen, work))
}

/// Gives that right to the `ServiceAccount` of the cluster's backups.
#[must_use]
pub fn role_binding(seen: &Observed, work: &Work) -> RoleBinding {
    owned::role_binding(of_work(seen, work), names::backup_service_account(seen.name()))
}

/// A Job that is made anew under a name that was used before is another one.
fn of_work(seen: &Observed, work: &Work) -> ObjectMeta {
    let annotations = BTreeMap::from([(names::REQUEST_UID.to_owned(), work.uid.clone())]);
    ObjectMeta { annotations: Some(annotations), ..metadata(seen, work.job.clone()) }
}

fn metadata(seen: &Observed, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: seen.cluster.metadata.namespace.clone(),
        labels: Some(owned::labels(seen.name(), "backup")),
        owner_references: Some(vec![owner("OpenBaoCluster", &seen.cluster.metadata, Some(true))]),
        ..ObjectMeta::default()
    }
}
