//! What a plan needs of Jobs, tickets and pods.

use api::names;
use api::task::Outcome::{Done, Unknown};
use api::task::Report;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::api::ObjectMeta;
use plan::restore::{JobSeen, PodsSeen, TicketSeen};

/// Label of a Job's pods.
pub(super) const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// The same, with the UID of the Job.
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

/// Whether an object was made for the request `uid`.
pub(super) fn is_of(metadata: &ObjectMeta, uid: &str) -> bool {
    annotation(metadata, names::REQUEST_UID) == Some(uid)
}

/// A restore's says so itself; a backup's is made by a Job that others may have made, and has only the label of that.
pub(super) fn is_pod_of(pod: &Pod, uid: &str) -> bool {
    let controller = pod.metadata.labels.as_ref().and_then(|labels| labels.get(CONTROLLER_UID));
    is_of(&pod.metadata, uid) || controller.is_some_and(|controller| controller == uid)
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

fn request_uid(metadata: &ObjectMeta) -> Option<String> {
    annotation(metadata, names::REQUEST_UID).map(str::to_owned)
}

fn created(metadata: &ObjectMeta) -> Option<Timestamp> {
    metadata.creation_timestamp.as_ref().map(|time| time.0)
}

pub(crate) fn job(job: &Job) -> JobSeen {
    let status = job.status.as_ref();
    let failed = status.and_then(|status| condition(status, "Failed"));
    JobSeen {
        uid: job.metadata.uid.clone().unwrap_or_default(),
        request: request_uid(&job.metadata),
        created: created(&job.metadata),
        started: status.and_then(|status| status.start_time.as_ref()).map(|time| time.0),
        finished: failed.is_some() || status.is_some_and(|status| condition(status, "Complete").is_some()),
        failing: status.is_some_and(|status| condition(status, "FailureTarget").is_some()),
        failure: failed,
        deleting: job.metadata.deletion_timestamp.is_some(),
        retired: job.spec.as_ref().is_some_and(|spec| spec.ttl_seconds_after_finished.is_some()),
    }
}

/// Reason and message of a condition that holds.
fn condition(status: &JobStatus, kind: &str) -> Option<String> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let found = conditions.iter().find(|it| it.type_ == kind && it.status == "True")?;
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(format!("{}: {}", part(&found.reason), part(&found.message)))
}

pub(super) fn ticket(lease: &Lease) -> TicketSeen {
    let name = lease.metadata.name.as_deref().unwrap_or_default();
    let report = annotation(&lease.metadata, names::REPORT).map(Report::parse);
    if let Some(Err(error)) = &report {
        tracing::warn!(ticket = name, %error, "the report on a ticket cannot be read; it counts as none");
    }
    let claim = annotation(&lease.metadata, names::CLAIM).map(serde_json::from_str);
    if let Some(Err(error)) = &claim {
        tracing::warn!(ticket = name, %error, "the claim on a ticket cannot be read; its markers count as lost");
    }
    let answer = annotation(&lease.metadata, names::ANSWER).map(serde_json::from_str);
    let spec = lease.spec.as_ref();
    TicketSeen {
        uid: lease.metadata.uid.clone().unwrap_or_default(),
        request: request_uid(&lease.metadata),
        created: created(&lease.metadata),
        job: annotation(&lease.metadata, names::JOB_UID).map(str::to_owned),
        acquired: spec.and_then(|spec| Some(spec.acquire_time.as_ref()?.0)),
        holder: spec.and_then(|spec| spec.holder_identity.clone()),
        beats: spec.is_some_and(|spec| spec.renew_time.is_some()),
        claim: claim.and_then(Result::ok),
        answer: answer.and_then(Result::ok),
        progress: annotation(&lease.metadata, names::PROGRESS).and_then(progress),
        report: report.and_then(Result::ok),
    }
}

/// `<bytes>/<total>`.
fn progress(text: &str) -> Option<(i64, i64)> {
    let (bytes, total) = text.split_once('/')?;
    Some((bytes.parse().ok()?, total.parse().ok()?))
}

/// The pods of a Job whose ticket `holder` has claimed.
pub(super) fn pods(pods: &[Pod], holder: &str) -> PodsSeen {
    let claimant = pods.iter().find(|pod| pod.metadata.uid.as_deref() == Some(holder));
    let acted = || pods.iter().filter_map(report).find(|report| matches!(report.outcome, Done | Unknown));
    PodsSeen {
        left: pods.iter().any(is_left),
        stuck: pods.iter().filter(|pod| is_left(pod)).find_map(stuck),
        claimant_terminated: claimant
            .and_then(terminated)
            .and_then(|end| end.finished_at.as_ref())
            .map(|time| time.0),
        claimant_report: match claimant {
            Some(claimant) => report(claimant),
            // A rollback of etcd may have taken its claim away.
            None => acted(),
        },
        ended: pods.iter().filter(|pod| !is_left(pod)).find_map(ended),
    }
}

/// What a pod left in its termination log.
fn report(pod: &Pod) -> Option<Report> {
    let report = Report::parse(terminated(pod)?.message.as_deref()?);
    if let Err(error) = &report {
        tracing::warn!(pod = pod.metadata.name, %error, "the termination log of a pod is no report");
    }
    report.ok()
}

/// How a pod has ended: in its own words, or in Kubernetes'.
fn ended(pod: &Pod) -> Option<String> {
    let said = report(pod).map(|report| report.told()).filter(|told| !told.is_empty());
    let container = || {
        let end = terminated(pod)?;
        Some(format!("{}, exit code {}", end.reason.as_deref().unwrap_or("it ended"), end.exit_code))
    };
    let evicted = || pod.status.as_ref()?.message.clone();
    said.or_else(evicted).or_else(container)
}

/// A pod whose node does not answer is left: its process may still run.
pub(super) fn is_left(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

fn executor(pod: &Pod) -> Option<&ContainerStatus> {
    let containers = pod.status.as_ref()?.container_statuses.as_deref()?;
    containers.iter().find(|container| container.name == names::CONTAINER)
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    executor(pod)?.state.as_ref()?.terminated.as_ref()
}

/// Why a pod does not start: its container waits, or it is not scheduled.
fn stuck(pod: &Pod) -> Option<String> {
    let waiting = executor(pod).and_then(|container| container.state.as_ref()?.waiting.as_ref());
    let told = |reason: &Option<String>, message: &Option<String>| {
        let parts = [reason, message].into_iter().flatten().cloned();
        parts.collect::<Vec<_>>().join(": ")
    };
    let waiting = waiting.map(|waiting| told(&waiting.reason, &waiting.message));
    let scheduled = || {
        let conditions = pod.status.as_ref()?.conditions.as_deref()?;
        let found = conditions.iter().find(|it| it.type_ == "PodScheduled" && it.status == "False")?;
        Some(told(&found.reason, &found.message))
    };
    waiting.or_else(scheduled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn job_with(kind: &str) -> JobSeen {
        let condition =
            json!({"type": kind, "status": "True", "reason": "PodFailurePolicy", "message": "exit 3"});
        let object = json!({
            "metadata": {"uid": "j", "annotations": {"openbao.org/request-uid": "u"}},
            "status": {"conditions": [condition]},
        });
        job(&serde_json::from_value(object).unwrap())
    }

    /// Taken for an end, it would let the lock go while a pod still sends.
    #[test]
    fn a_job_that_is_about_to_fail_has_not_finished() {
        let failing = job_with("FailureTarget");
        assert!(!failing.finished && failing.failing);
        assert!(job_with("Complete").finished);
        assert_eq!(job_with("Failed").failure.as_deref(), Some("PodFailurePolicy: exit 3"));
    }

    #[test]
    fn a_ticket_is_read_whole_and_a_broken_report_is_none() {
        let lease = |report: &str| {
            let lease = json!({
                "metadata": {"uid": "t", "annotations": {
                    "openbao.org/request-uid": "u", "openbao.org/job-uid": "j",
                    "openbao.org/progress": "5/7", "openbao.org/report": report, "openbao.org/claim": "{",
                }},
                "spec": {"holderIdentity": "pod", "renewTime": "2026-03-20T03:00:00.000000Z"},
            });
            ticket(&serde_json::from_value(lease).unwrap())
        };
        let read = lease(r#"{"v":2,"outcome":"done"}"#);
        assert_eq!((read.holder.as_deref(), read.job.as_deref()), (Some("pod"), Some("j")));
        assert_eq!((read.progress, read.beats, &read.claim), (Some((5, 7)), true, &None));
        assert!(read.report.is_some());
        assert_eq!(lease("{").report, None);
    }

    fn pod(uid: &str, phase: &str, state: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"uid": uid},
            "status": {"phase": phase, "containerStatuses": [
                {"name": "executor", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state}
            ]}
        }))
        .unwrap()
    }

    /// Bug: the words of a second pod, which did nothing, are taken for those of the one that acted.
    #[test]
    fn only_the_pod_that_claimed_is_heard() {
        let ended = |outcome: &str| {
            json!({"terminated": {"exitCode": 0, "finishedAt": "2026-03-20T03:00:00Z",
                                  "message": json!({"v": 2, "outcome": outcome}).to_string()}})
        };
        let both = [pod("second", "Failed", &ended("refused")), pod("first", "Succeeded", &ended("done"))];
        let heard = pods(&both, "first");
        assert_eq!(heard.claimant_report.unwrap().outcome, api::task::Outcome::Done);
        assert!(heard.claimant_terminated.is_some() && !heard.left);
    }

    /// Bug: a pod restored, a rollback of etcd took its claim away, and its words are not heard.
    #[test]
    fn a_pod_that_says_that_it_acted_is_heard_whatever_its_ticket_says() {
        for (outcome, heard) in [("done", true), ("unknown", true), ("failed", false), ("refused", false)] {
            let state = json!({"terminated": {"exitCode": 0, "finishedAt": "2026-03-20T03:00:00Z",
                                              "message": json!({"v": 2, "outcome": outcome}).to_string()}});
            let seen = pods(&[pod("p", "Succeeded", &state)], "");
            assert_eq!(seen.claimant_report.is_some(), heard, "{outcome}");
        }
    }

    /// Bug: a restore fails, and nobody says what its pod died of.
    #[test]
    fn how_a_pod_ended_is_told() {
        let state = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let seen = pods(&[pod("p", "Failed", &state)], "");
        assert_eq!(seen.ended.as_deref(), Some("OOMKilled, exit code 137"));
        let said = json!({"v": 2, "outcome": "failed", "problems": [{"reason": "TicketLost", "message": "It is gone."}]});
        let state = json!({"terminated": {"exitCode": 2, "reason": "Error", "message": said.to_string()}});
        let seen = pods(&[pod("p", "Failed", &state)], "");
        assert_eq!(seen.ended.as_deref(), Some("It is gone."));
    }

    #[test]
    fn a_pod_that_does_not_start_says_why() {
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}});
        let seen = pods(&[pod("p", "Pending", &waiting)], "");
        assert!(seen.left);
        assert_eq!(seen.stuck.as_deref(), Some("ImagePullBackOff: no such image"));
    }
}
