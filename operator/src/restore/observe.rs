//! Reads the world for one request. Every read goes to the API server, none to a watch cache.

use super::RestoreError;
use api::names;
use api::task::Report;
use api::{OpenBaoCluster, OpenBaoRestore};
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta};
use kube::{Client, CustomResourceExt};
use plan::restore::{JobSeen, Observed, Run, TicketSeen};
use rules::{Kind, Subject};
use serde_json::Value;

/// Label of a Job's pods.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// What one look found.
pub(super) struct Look {
    pub(super) seen: Observed,
    /// The ticket of the restore as it was read, for a write over exactly that.
    pub(super) ticket: Option<Lease>,
}

/// Looks at a request and all that concerns it; none when it is gone.
pub(super) async fn look(client: &Client, namespace: &str, name: &str) -> Result<Option<Look>, RestoreError> {
    let restores =
        Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &OpenBaoRestore::api_resource());
    let Some(object) = restores.get_opt(name).await? else { return Ok(None) };
    let raw = serde_json::to_value(object).map_err(RestoreError::Unreadable)?;
    let request: OpenBaoRestore = serde_json::from_value(raw.clone()).map_err(RestoreError::Unreadable)?;
    let uid = request.metadata.uid.clone().unwrap_or_default();
    let clusters = Api::<OpenBaoCluster>::namespaced(client.clone(), namespace);
    let namespaces = Api::<Namespace>::all(client.clone());
    let reader = Reader { client, namespace, uid: &uid };
    let (cluster, home, (check, _), (restore, ticket)) = tokio::try_join!(
        async { Ok(clusters.get_opt(&request.spec.cluster).await?) },
        async { Ok::<_, RestoreError>(namespaces.get_opt(namespace).await?) },
        reader.run(names::check_job(name)),
        reader.run(names::restore_job(name)),
    )?;
    let seen = Observed {
        judgement: judgement(&raw, &request, namespace),
        namespace_terminating: home.is_none_or(|home| home.metadata.deletion_timestamp.is_some()),
        request,
        cluster,
        check,
        restore,
    };
    Ok(Some(Look { seen, ticket }))
}

/// What the law has against the request as it was created, and what admission would have filled in.
fn judgement(raw: &Value, request: &OpenBaoRestore, namespace: &str) -> Option<String> {
    let verdict = rules::judge(&Subject::new(Kind::Restore, namespace, raw, None));
    if verdict.is_refused() {
        return Some(format!("The request breaks the rules of admission: {}.", verdict.message()));
    }
    let spec = &request.spec;
    let lacks_image = spec.executor_image.is_none() && spec.image.is_none();
    let lacks_audience = spec.jwt_auth_role.is_some() && spec.audience.is_none();
    let missing = [(lacks_image, "spec.executorImage"), (lacks_audience, "spec.audience")];
    let missing: Vec<&str> =
        missing.into_iter().filter_map(|(lacks, field)| lacks.then_some(field)).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "{} is not set: the admission webhook, which fills it in, was not asked when the request was created.",
            missing.join(" and ")
        )
    })
}

/// Reads what belongs to one request.
struct Reader<'a> {
    client: &'a Client,
    namespace: &'a str,
    uid: &'a str,
}

impl Reader<'_> {
    /// Job, ticket and rights of one name, and whether a pod is left; beside it the ticket as it was read.
    async fn run(&self, name: String) -> Result<(Run, Option<Lease>), RestoreError> {
        let (jobs, leases) = (self.api::<Job>(), self.api::<Lease>());
        let (roles, bindings) = (self.api::<Role>(), self.api::<RoleBinding>());
        let pods = self.api::<Pod>();
        let of_job = ListParams::default().labels(&format!("{JOB_NAME}={name}"));
        let (job, lease, role, binding, pods) = tokio::try_join!(
            jobs.get_opt(&name),
            leases.get_opt(&name),
            roles.get_metadata_opt(&name),
            bindings.get_metadata_opt(&name),
            pods.list(&of_job),
        )?;
        let is_ours = |metadata: &ObjectMeta| request_uid(metadata).as_deref() == Some(self.uid);
        let granted = role.is_some_and(|role| is_ours(&role.metadata))
            && binding.is_some_and(|binding| is_ours(&binding.metadata));
        let run = Run {
            job: job.as_ref().map(job_seen),
            ticket: lease.as_ref().map(ticket_seen),
            granted,
            pods_left: pods.iter().any(is_left),
        };
        Ok((run, lease))
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}

fn request_uid(metadata: &ObjectMeta) -> Option<String> {
    annotation(metadata, names::REQUEST_UID).map(str::to_owned)
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

fn job_seen(job: &Job) -> JobSeen {
    let (finished, failure) = job.status.as_ref().map(ending).unwrap_or_default();
    JobSeen {
        uid: job.metadata.uid.clone().unwrap_or_default(),
        request: request_uid(&job.metadata),
        finished,
        failure,
        deleting: job.metadata.deletion_timestamp.is_some(),
        retired: job.spec.as_ref().is_some_and(|spec| spec.ttl_seconds_after_finished.is_some()),
    }
}

/// Whether a Job is Complete or Failed, and why it failed. `FailureTarget` is neither: pods may still run.
fn ending(status: &JobStatus) -> (bool, Option<String>) {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let holds = |kind: &str| conditions.iter().find(|it| it.type_ == kind && it.status == "True");
    let failed = holds("Failed");
    let why = failed.map(|condition| {
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}: {}", part(&condition.reason), part(&condition.message))
    });
    (failed.is_some() || holds("Complete").is_some(), why)
}

fn ticket_seen(lease: &Lease) -> TicketSeen {
    let report = annotation(&lease.metadata, names::REPORT).map(Report::parse);
    if let Some(Err(error)) = &report {
        let ticket = lease.metadata.name.as_deref().unwrap_or_default();
        tracing::warn!(ticket, %error, "the report on a ticket cannot be read; it counts as none");
    }
    TicketSeen {
        uid: lease.metadata.uid.clone().unwrap_or_default(),
        request: request_uid(&lease.metadata),
        job: annotation(&lease.metadata, names::JOB_UID).map(str::to_owned),
        holder: lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()),
        progress: annotation(&lease.metadata, names::PROGRESS).and_then(progress),
        report: report.and_then(Result::ok),
    }
}

/// `<bytes>/<total>`.
fn progress(text: &str) -> Option<(i64, i64)> {
    let (bytes, total) = text.split_once('/')?;
    Some((bytes.parse().ok()?, total.parse().ok()?))
}

/// A pod whose node does not answer is left: its process may still run.
fn is_left(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(kind: &str) -> JobSeen {
        let condition =
            json!({"type": kind, "status": "True", "reason": "PodFailurePolicy", "message": "exit 3"});
        let job = json!({
            "metadata": {"uid": "j", "annotations": {"openbao.org/request-uid": "u"}},
            "status": {"conditions": [condition]},
        });
        job_seen(&serde_json::from_value(job).unwrap())
    }

    /// Taken for an end, it would let the lock go while a pod still sends.
    #[test]
    fn a_job_that_is_about_to_fail_has_not_finished() {
        assert!(!job("FailureTarget").finished);
        assert!(job("Complete").finished);
        assert_eq!(job("Failed").failure.as_deref(), Some("PodFailurePolicy: exit 3"));
    }

    #[test]
    fn a_ticket_is_read_whole_and_a_broken_report_is_none() {
        let lease = |report: &str| {
            let lease = json!({
                "metadata": {"uid": "t", "annotations": {
                    "openbao.org/request-uid": "u", "openbao.org/job-uid": "j",
                    "openbao.org/progress": "5/7", "openbao.org/report": report,
                }},
                "spec": {"holderIdentity": "pod"},
            });
            ticket_seen(&serde_json::from_value(lease).unwrap())
        };
        let ticket = lease(r#"{"v":1,"outcome":"done"}"#);
        assert_eq!((ticket.holder.as_deref(), ticket.job.as_deref()), (Some("pod"), Some("j")));
        assert_eq!(ticket.progress, Some((5, 7)));
        assert!(ticket.report.is_some());
        assert_eq!(lease("{").report, None);
    }

    #[test]
    fn what_admission_fills_in_is_missed_when_it_was_absent() {
        let mut raw = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore", "metadata": {"name": "r"},
            "spec": {"cluster": "c", "jwtAuthRole": "r", "source": {"key": "k", "target": {"bucket": "bucket"}}}
        });
        let judged = |raw: &Value| judgement(raw, &serde_json::from_value(raw.clone()).unwrap(), "n");
        let message = judged(&raw).unwrap();
        assert!(message.contains("spec.executorImage and spec.audience"), "{message}");
        raw["spec"]["image"] = json!("i");
        raw["spec"]["audience"] = json!("a");
        assert_eq!(judged(&raw), None);
    }
}
