//! The operator's second look: with the webhook configurations gone, the law still holds.

use crate::support::{alone, cluster, good, with};
use crate::unguarded::Unguarded;
use serde_json::{Value, json};
use std::time::Duration;

/// Creates a request and waits for its end; gives its status.
async fn ended(request: &Value) -> Value {
    let name = request["metadata"]["name"].as_str().unwrap();
    let namespace = request["metadata"]["namespace"].as_str().unwrap();
    let output = cluster().kubectl(&["create", "-f", "-"], Some(&request.to_string()));
    assert_eq!(output.code, 0, "nobody refused it at the door: {}", output.stderr);
    cluster()
        .eventually("the request has ended", Duration::from_mins(1), async || {
            let output = cluster().kubectl(&["get", "obr", name, "-n", namespace, "-o", "json"], None);
            let stored: Value = serde_json::from_str(&output.stdout).ok()?;
            (stored["status"]["phase"] == "Failed").then(|| stored["status"].clone())
        })
        .await
}

/// Bug: whoever can take the webhook away gets restores that it would have refused.
#[tokio::test]
async fn without_a_webhook_a_bad_request_ends_failed_and_no_job_is_made() {
    let _guard = alone().await;
    let namespace = cluster().namespace("belt");
    let unguarded = Unguarded::start().await;
    let whole = |name: &str| {
        let request = with(good(&namespace, name), "/audience", json!("openbao-internal"));
        with(request, "/executorImage", json!("openbao-recovery:local"))
    };
    let requests = [
        (with(whole("key"), "/source/key", json!("../other.snap")), "spec.source.key: "),
        (with(whole("lock"), "/overrideOperationLock", json!(true)), "spec.overrideOperationLock: "),
        (
            with(whole("secret"), "/source/target/credentialsSecretRef", json!({"name": "prod-root-token"})),
            "spec.source.target.credentialsSecretRef.name: ",
        ),
        (
            with(whole("metadata"), "/source/target/endpoint", json!("https://169.254.169.254")),
            "spec.source.target.endpoint: ",
        ),
        (with(whole("nobody"), "/jwtAuthRole", Value::Null), "spec.jwtAuthRole: "),
        (good(&namespace, "bare"), "spec.executorImage and spec.audience is not set"),
    ];
    for (request, field) in &requests {
        let status = ended(request).await;
        let conditions = status["conditions"].as_array().unwrap();
        let condition = |kind: &str| conditions.iter().find(|it| it["type"] == kind).unwrap();
        assert_eq!(condition("Ready")["reason"], "SpecRefused", "{status}");
        assert_eq!(condition("Finished")["status"], "True", "{status}");
        assert_eq!(condition("Stalled")["status"], "True", "{status}");
        let message = status["message"].as_str().unwrap();
        assert!(message.contains(field) && message.contains("Nothing was touched"), "{message}");
    }
    unguarded.back().await;

    let mut here = cluster().audit();
    here.retain(|event| event["objectRef"]["namespace"] == *namespace);
    assert!(
        here.iter().any(|event| event["objectRef"]["subresource"] == "status"),
        "the log has this namespace"
    );
    let made = here.iter().filter(|event| event["verb"] == "create");
    let made: Vec<&Value> = made
        .map(|event| &event["objectRef"]["resource"])
        .filter(|it| *it == "jobs" || *it == "leases")
        .collect();
    assert!(made.is_empty(), "{made:?}");
}
