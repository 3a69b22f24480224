//! Operator and webhook live on what the chart grants, and on no less.

use crate::support::{RELEASE, alone, cluster};
use std::time::Duration;
use tests::harness::Output;

const ROLE: &str = "openbao-recovery-openbao-recovery";
const OPERATOR: &str = "system:serviceaccount:openbao-recovery:openbao-recovery-operator";
const SELECTOR: &str = "app.kubernetes.io/component=operator";

fn kubectl(arguments: &[&str]) -> Output {
    cluster().kubectl(arguments, None)
}

fn must(arguments: &[&str]) -> String {
    let output = kubectl(arguments);
    assert_eq!(output.code, 0, "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

/// What the API server has refused the operator so far.
fn refused() -> Vec<String> {
    let mut of_operator = cluster().audit();
    of_operator.retain(|event| event["user"]["username"] == OPERATOR);
    assert!(!of_operator.is_empty(), "the operator has asked for something");
    of_operator
        .iter()
        .filter(|event| event["annotations"]["authorization.k8s.io/decision"] == "forbid")
        .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
        .collect()
}

/// What an operator pod says of its readiness.
async fn readiness() -> Option<String> {
    let path = "jsonpath={.items[0].status.podIP}";
    let ip = must(&["get", "pods", "-n", RELEASE, "-l", SELECTOR, "-o", path]);
    let answer = reqwest::get(format!("http://{ip}:8081/readyz")).await.ok()?;
    answer.text().await.ok()
}

/// A right that the chart forgot shows in the audit log, even where the operator goes on without it. Without one verb of
/// its `ClusterRole` the operator says so and is not ready; with it again, it is.
#[tokio::test]
async fn the_operator_has_every_right_it_uses_and_misses_one_that_is_taken() {
    let _guard = alone().await;
    assert_eq!(refused(), Vec::<String>::new());

    let role: serde_json::Value =
        serde_json::from_str(&must(&["get", "clusterrole", ROLE, "-o", "json"])).unwrap();
    let rules = role["rules"].as_array().unwrap();
    let at = rules
        .iter()
        .position(|rule| rule["apiGroups"][0] == "admissionregistration.k8s.io")
        .expect("the rule on webhook configurations");
    let set = |verbs: &str| {
        let patch = format!(r#"[{{"op":"replace","path":"/rules/{at}/verbs","value":{verbs}}}]"#);
        must(&["patch", "clusterrole", ROLE, "--type=json", "-p", &patch]);
    };

    set(r#"["get"]"#);
    let no_bundle = r#"[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]"#;
    must(&["patch", "mutatingwebhookconfiguration", ROLE, "--type=json", "-p", no_bundle]);
    must(&["delete", "pods", "-n", RELEASE, "-l", SELECTOR, "--wait=true"]);
    cluster()
        .eventually("the operator says that it is not ready", Duration::from_mins(1), async || {
            readiness().await.filter(|text| text.contains("does not trust the webhook's certificate"))
        })
        .await;
    cluster()
        .eventually("the right is enforced", Duration::from_mins(1), async || {
            (!refused().is_empty()).then_some(())
        })
        .await;

    set(r#"["get","patch"]"#);
    must(&["rollout", "status", "deployment/openbao-recovery-operator", "-n", RELEASE, "--timeout=90s"]);
}
