//! What every Job of ours is: one pod, at most once as far as Kubernetes can promise that.

use api::names;
use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::{
    JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;

/// How much later than the deadline inside it the next one ends: that of the pod, then that of the Job, which deletes
/// the pod and its words with it.
pub(crate) const NEXT: SignedDuration = SignedDuration::from_mins(5);

/// How long the pod of a Job may take until its first word.
pub(crate) const STARTS_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// A Job whose one pod has this deadline of its own.
pub(crate) fn once(pod_deadline: SignedDuration, template: PodTemplateSpec) -> JobSpec {
    JobSpec {
        backoff_limit: Some(0),
        completions: Some(1),
        parallelism: Some(1),
        pod_replacement_policy: Some("Failed".to_owned()),
        pod_failure_policy: Some(failure_policy()),
        active_deadline_seconds: Some(pod_deadline.saturating_add(NEXT).as_secs()),
        template,
        ..JobSpec::default()
    }
}

/// Any end but exit code 0 is the end of the Job; an eviction is told as such.
fn failure_policy() -> PodFailurePolicy {
    let fail = || PodFailurePolicyRule { action: "FailJob".to_owned(), ..PodFailurePolicyRule::default() };
    let disrupted = PodFailurePolicyOnPodConditionsPattern {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
    };
    let failed = PodFailurePolicyOnExitCodesRequirement {
        container_name: Some(names::CONTAINER.to_owned()),
        operator: "NotIn".to_owned(),
        values: vec![0],
    };
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule { on_pod_conditions: Some(vec![disrupted]), ..fail() },
            PodFailurePolicyRule { on_exit_codes: Some(failed), ..fail() },
        ],
    }
}
