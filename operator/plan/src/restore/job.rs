//! The Jobs of a restore: one pod each, at most once as far as Kubernetes can promise that.

use super::{Observed, Stage, objects, pod, task};
use crate::job::{NEXT, once};
use api::names;
use api::task::Task;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// How long a Job that has ended is kept, in seconds: a day.
pub const KEPT: i32 = 86_400;

/// The Job of a stage, with its Task; none while the Task is not known.
#[must_use]
pub fn job(seen: &Observed, stage: Stage, now: Timestamp) -> Option<Job> {
    let task = task::task(seen, stage, now)?;
    let own = task::budget(seen, stage);
    let pod_deadline = match stage {
        Stage::Check => own,
        Stage::Restore | Stage::Prove(_) => own.saturating_add(NEXT),
    };
    Some(Job {
        metadata: objects::metadata(seen, stage),
        spec: Some(JobSpec {
            // A proof leaves all that it found on its ticket.
            ttl_seconds_after_finished: matches!(stage, Stage::Prove(_)).then_some(KEPT),
            ..once(
                pod_deadline,
                PodTemplateSpec {
                    metadata: Some(template_metadata(seen, &task)?),
                    spec: Some(pod::spec(seen, stage, task.login.as_ref(), pod_deadline)),
                },
            )
        }),
        status: None,
    })
}

fn template_metadata(seen: &Observed, task: &Task) -> Option<ObjectMeta> {
    let annotations = BTreeMap::from([
        (names::REQUEST_UID.to_owned(), seen.uid().to_owned()),
        (names::TASK.to_owned(), serde_json::to_string(task).ok()?),
    ]);
    Some(ObjectMeta {
        labels: Some(objects::labels(&seen.request)),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::tests::{seen, start};
    use serde_json::{Value, json};

    fn built(seen: &Observed, stage: Stage) -> Value {
        serde_json::to_value(job(seen, stage, start()).unwrap()).unwrap()
    }

    fn volumes(job: &Value) -> Vec<&str> {
        let volumes = job["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
        volumes.iter().map(|volume| volume["name"].as_str().unwrap()).collect()
    }

    /// Each of these, left out, lets the Job controller start a second pod in some case.
    #[test]
    fn a_job_starts_one_pod_and_never_another() {
        let job = built(&seen(), Stage::Restore);
        let spec = &job["spec"];
        assert_eq!(
            [&spec["backoffLimit"], &spec["completions"], &spec["parallelism"]],
            [&json!(0), &json!(1), &json!(1)]
        );
        assert_eq!(spec["podReplacementPolicy"], "Failed");
        assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
        let rules = spec["podFailurePolicy"]["rules"].as_array().unwrap();
        assert!(rules.iter().all(|rule| rule["action"] == "FailJob"), "{rules:?}");
        assert_eq!(
            rules[1]["onExitCodes"],
            json!({"containerName": "executor", "operator": "NotIn", "values": [0]})
        );
        assert!(job["metadata"]["ownerReferences"][0].get("blockOwnerDeletion").is_none());
    }

    #[test]
    fn the_deadlines_nest() {
        let deadlines = |stage| {
            let job = built(&seen(), stage);
            let seconds = |spec: &Value| spec["activeDeadlineSeconds"].as_i64().unwrap();
            (seconds(&job["spec"]["template"]["spec"]), seconds(&job["spec"]))
        };
        assert_eq!(deadlines(Stage::Check), (90_000, 90_300));
        // Ten minutes, one second for five bytes, the read timeout, and ten minutes for the proof.
        let own = 601 + 900 + 600;
        assert_eq!(deadlines(Stage::Restore), (own + 300, own + 600));
    }

    #[test]
    fn the_pod_brings_its_task_and_its_token() {
        let job = built(&seen(), Stage::Restore);
        let template = &job["spec"]["template"];
        let task = Task::parse(template["metadata"]["annotations"][names::TASK].as_str().unwrap()).unwrap();
        assert_eq!((task.ticket.uid.as_str(), task.request.uid.as_str()), ("t-restore", "u-1"));
        assert_eq!(template["spec"]["automountServiceAccountToken"], true);
        let env = template["spec"]["containers"][0]["env"].as_array().unwrap();
        assert!(env.iter().any(
            |env| env["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.annotations['openbao.org/task']"
        ));
        let networks = json!({"name": "STORAGE_ALLOW_CIDRS", "value": "10.0.0.0/8"});
        assert!(env.contains(&networks), "{env:?}");
    }

    #[test]
    fn a_pod_gets_the_volumes_of_its_login_and_stage() {
        let mut seen = seen();
        assert_eq!(volumes(&built(&seen, Stage::Check)), ["openbao-ca", "jwt"]);
        assert_eq!(volumes(&built(&seen, Stage::Restore)), ["openbao-ca", "jwt", "staging"]);
        seen.request.spec.jwt_auth_role = None;
        seen.request.spec.token_secret_ref =
            Some(api::TokenReference { name: "t".to_owned(), namespace: None, key: "root".to_owned() });
        let reference = api::SecretReference { name: "s3".to_owned(), ..Default::default() };
        seen.request.spec.source.target.credentials_secret_ref = Some(reference);
        let job = built(&seen, Stage::Check);
        assert_eq!(volumes(&job), ["storage", "openbao-ca", "token"]);
        let mounts = job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().all(|mount| mount["readOnly"] == true), "{mounts:?}");
    }

    #[test]
    fn staging_holds_the_pinned_size_with_room() {
        let mut seen = seen();
        let report = seen.check.ticket.as_mut().unwrap().report.as_mut().unwrap();
        report.pinned.as_mut().unwrap().size = 1000 << 20;
        let job = built(&seen, Stage::Restore);
        let bytes = ((1100 << 20) + (64 << 20)).to_string();
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"][2]["emptyDir"]["sizeLimit"], bytes);
        assert_eq!(pod["containers"][0]["resources"]["limits"]["ephemeral-storage"], bytes);
    }

    /// The names of the labels' admission level `restricted`, which many namespaces enforce.
    #[test]
    fn the_pod_is_restricted() {
        let job = built(&seen(), Stage::Restore);
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    }
}
