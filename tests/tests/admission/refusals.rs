//! Each refusal: the code, the field, the sentence; and all of them at once.

use crate::support::{
    assert_tells_the_whole_story, cluster, fields, good, refusal, restores, settled, undisturbed, with,
};
use kube::api::PostParams;
use serde_json::{Value, json};

/// A change of the good request that is refused on creation, and the fields that the answer names.
fn cases() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let token = |value: Value| with(good("", "r"), "/tokenSecretRef", value);
    vec![
        ("no authentication", with(good("", "r"), "/jwtAuthRole", Value::Null), vec!["spec.jwtAuthRole"]),
        (
            "a token of another namespace",
            token(json!({"name": "token", "namespace": "kube-system"})),
            vec!["spec.tokenSecretRef.namespace"],
        ),
        (
            "credentials of another namespace",
            with(
                good("", "r"),
                "/source/target/credentialsSecretRef",
                json!({"name": "s3-credentials", "namespace": "kube-system"}),
            ),
            vec!["spec.source.target.credentialsSecretRef.namespace"],
        ),
        ("an empty Secret name", token(json!({"name": ""})), vec!["spec.tokenSecretRef.name"]),
        (
            "three at once",
            with(
                with(token(json!({"name": "", "namespace": "kube-system"})), "/jwtAuthRole", Value::Null),
                "/source/target/credentialsSecretRef",
                json!({"name": "s3-credentials", "namespace": "kube-system"}),
            ),
            vec![
                "spec.source.target.credentialsSecretRef.namespace",
                "spec.tokenSecretRef.name",
                "spec.tokenSecretRef.namespace",
            ],
        ),
    ]
}

#[tokio::test]
async fn a_bad_request_is_refused_with_every_field_and_its_fix() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("refused");
    let api = restores(cluster().client().await, &namespace);
    for (name, mut object, expected) in cases() {
        object["metadata"]["namespace"] = json!(namespace);
        let status =
            refusal(api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await);
        assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"), "{name}: {}", status.message);
        let mut found = fields(&status);
        found.sort_unstable();
        assert_eq!(found, expected, "{name}: {}", status.message);
        assert_tells_the_whole_story(&status);
    }
    assert!(
        api.list(&kube::api::ListParams::default()).await.unwrap().items.is_empty(),
        "nothing was stored"
    );
}

#[tokio::test]
async fn a_changed_request_is_refused_with_403_and_nothing_changes() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("changed");
    let api = restores(cluster().client().await, &namespace);
    let stored = api
        .create(&PostParams::default(), &serde_json::from_value(good(&namespace, "r")).unwrap())
        .await
        .unwrap();

    settled(&namespace).await;
    let mut changed = api.get("r").await.unwrap();
    changed.data["spec"]["source"]["key"] = json!("clusters/prod/other.snap");
    changed.data["spec"]["force"] = json!(true);
    let status = refusal(api.replace("r", &PostParams::default(), &changed).await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"), "{}", status.message);
    let mut found = fields(&status);
    found.sort_unstable();
    assert_eq!(found, ["spec.force", "spec.source.key"]);
    assert_tells_the_whole_story(&status);
    assert!(status.message.contains("new OpenBaoRestore"), "it says what to do: {}", status.message);

    let now = api.get("r").await.unwrap();
    assert_eq!(now.data["spec"], stored.data["spec"]);
    assert_eq!(now.metadata.resource_version, changed.metadata.resource_version);
}

#[tokio::test]
async fn a_good_request_gets_its_defaults_and_waits() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("good");
    let api = restores(cluster().client().await, &namespace);
    let stored = api
        .create(&PostParams::default(), &serde_json::from_value(good(&namespace, "r")).unwrap())
        .await
        .unwrap();
    let spec = &stored.data["spec"];
    assert_eq!(spec["audience"], "openbao-internal");
    assert_eq!(spec["executorImage"], "openbao-recovery:local");
    assert_eq!(spec["jwtAuthRole"], "openbao-operator-restore");
    assert_eq!(spec["jwtAuthMount"], "jwt");
    assert_eq!(spec["startingDeadlineSeconds"], 3600);
    assert_eq!(spec["source"]["target"]["partSize"], 10_485_760);
    assert_eq!(stored.data["status"], json!({"observedGeneration": -1, "phase": "Pending"}));
}

/// Whoever creates a request must not be able to say how far it has come.
#[tokio::test]
async fn a_forged_status_is_dropped() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("forged");
    let api = restores(cluster().client().await, &namespace);
    let mut object = good(&namespace, "r");
    object["status"] = json!({"phase": "Completed"});
    let stored = api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    assert_eq!(stored.data["status"]["phase"], "Pending");
}
