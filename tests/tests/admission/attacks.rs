//! Whoever may only make requests finds no path to an image, a Secret or an identity of his choice.

use crate::people::{Person, Right, administer, admitted, refused};
use crate::support::{cluster, good, undisturbed};
use serde_json::{Value, json};
use std::time::Duration;
use tests::harness::Output;

const OWN: &str = "openbao-recovery:local";
const FOREIGN: &str = "registry.example/anything:1";
const REQUESTS: &str = "openbaorestores";

/// What is merged into the good request's spec, and the field that the refusal names.
fn attacks() -> Vec<(Value, &'static str)> {
    let target = |target: Value| json!({"source": {"target": target}});
    let secret = "spec.source.target.credentialsSecretRef";
    let token = "spec.tokenSecretRef.name:";
    vec![
        (json!({"executorImage": FOREIGN}), "spec.executorImage:"),
        (json!({"image": FOREIGN}), "spec.image:"),
        (json!({"executorImage": FOREIGN, "image": FOREIGN}), "spec.executorImage:"),
        (json!({"executorImage": FOREIGN, "image": OWN}), "spec.executorImage:"),
        (json!({"executorImage": OWN, "image": FOREIGN}), "spec.image:"),
        (json!({"executorImage": format!("{OWN} ")}), "spec.executorImage:"),
        (json!({"executorImage": format!("{OWN}@sha256:{}", "0".repeat(64))}), "spec.executorImage:"),
        (json!({"executorImage": "openbao-recovery:LOCAL"}), "spec.executorImage:"),
        (json!({"executorImage": ""}), "spec.executorImage:"),
        (json!({"tokenSecretRef": {"name": "token"}}), token),
        (json!({"tokenSecretRef": {"name": "token"}, "jwtAuthRole": null}), token),
        (json!({"tokenSecretRef": {"name": ""}}), token),
        (json!({"tokenSecretRef": {"name": "token", "namespace": "kube-system"}}), token),
        (target(json!({"credentialsSecretRef": {"name": "token"}})), secret),
        (target(json!({"credentialsSecretRef": null})), secret),
        (target(json!({"roleArn": "arn:aws:iam::1:role/r"})), "spec.source.target.roleArn:"),
        (target(json!({"roleArn": ""})), "spec.source.target.roleArn:"),
        (json!({"cluster": "other-cluster"}), "spec.cluster:"),
        (json!({"cluster": ""}), "spec.cluster:"),
        (json!({"force": true, "overrideOperationLock": true}), "spec.overrideOperationLock:"),
    ]
}

/// Somebody who may make requests for one cluster, from one store.
async fn mallory(namespace: &str, verbs: &[&'static str]) -> Person {
    let rights = [
        Right::to(verbs, REQUESTS),
        Right::on_cluster("restore", "prod-cluster"),
        Right::to_use("s3-credentials"),
    ];
    Person::with("mallory", namespace, &rights).await
}

fn attacking(namespace: &str, metadata: Value, spec: &Value) -> Value {
    let mut request = good(namespace, "r");
    request["metadata"] = metadata;
    json_patch::merge(&mut request["spec"], spec);
    request
}

#[tokio::test]
async fn no_new_request_reaches_further_than_its_maker() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("mallory");
    let mallory = mallory(&namespace, &["create"]).await;
    let named = json!({"name": "r", "namespace": namespace});
    let generated = json!({"generateName": "r-", "namespace": namespace});
    for (spec, field) in attacks() {
        let request = attacking(&namespace, named.clone(), &spec);
        for way in [
            &["create", "-f", "-"][..],
            &["create", "--dry-run=server", "-f", "-"],
            &["create", "--validate=false", "-f", "-"],
        ] {
            refused(&mallory.kubectl(way, Some(&request)), &["mallory", field]);
        }
        let request = attacking(&namespace, generated.clone(), &spec);
        refused(&mallory.kubectl(&["create", "-f", "-"], Some(&request)), &["mallory", field]);
    }
    for key in ["abandon", "outcome", "again"] {
        let mut metadata = named.clone();
        metadata["annotations"] = json!({format!("openbao.org/{key}"): "uid"});
        let request = attacking(&namespace, metadata, &json!({}));
        refused(&mallory.kubectl(&["create", "-f", "-"], Some(&request)), &["mallory", key]);
    }
    let stored = administer(&["get", REQUESTS, "-n", &namespace, "-o", "name"], None);
    assert_eq!(stored, "");
    let request = attacking(&namespace, named, &json!({}));
    admitted(&mallory.kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&request)));
}

/// What a decoder makes of doubled and empty fields is what is judged.
#[tokio::test]
async fn no_trick_of_json_gets_past() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("tricks");
    let mallory = mallory(&namespace, &["create"]).await;
    let plain = good(&namespace, "r").to_string();
    let trick = |more: &str| plain.replacen(r#""cluster":"#, &format!(r#"{more},"cluster":"#), 1);
    let path = format!("/apis/openbao.org/v1alpha1/namespaces/{namespace}/{REQUESTS}");
    let post = |body: &str, path: &str| {
        cluster().kubectl(&["create", "--raw", path, "-f", "-", "--as", &mallory.name], Some(body))
    };
    for (more, field) in [
        (format!(r#""executorImage":"{OWN}","executorImage":"{FOREIGN}""#), "spec.executorImage:"),
        (format!(r#""executorImage":null,"image":"{FOREIGN}""#), "spec.image:"),
        (format!(r#""executor\u0049mage":"{FOREIGN}""#), "spec.executorImage:"),
        (
            r#""tokenSecretRef":null,"tokenSecretRef":{"name":"token"}"#.to_owned(),
            "spec.tokenSecretRef.name:",
        ),
        (r#""overrideOperationLock":true,"force":true"#.to_owned(), "spec.overrideOperationLock:"),
    ] {
        assert_ne!(trick(&more), plain);
        refused(&post(&trick(&more), &path), &["mallory", field]);
    }
    // What is being deleted is not shown to the webhook: nobody is born that way.
    let dying = trick(&format!(r#""executorImage":"{FOREIGN}""#)).replacen(
        r#""metadata":{"#,
        r#""metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","#,
        1,
    );
    assert!(dying.contains("deletionTimestamp"));
    refused(&post(&dying, &path), &["mallory", "spec.executorImage:"]);
    // Another spelling is no field at all, and the one of the installation is filled in.
    let ignored = post(&trick(&format!(r#""ExecutorImage":"{FOREIGN}""#)), &format!("{path}?dryRun=All"));
    admitted(&ignored);
    assert!(ignored.stdout.contains(OWN) && !ignored.stdout.contains(FOREIGN), "{}", ignored.stdout);
}

fn stored(namespace: &str) -> Value {
    serde_json::from_str(&administer(&["get", "obr", "r", "-n", namespace, "-o", "json"], None)).unwrap()
}

/// By every door but creation: update, status, and while the request is being deleted, when the webhook is not asked.
#[tokio::test]
async fn no_later_change_reaches_further_either() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("later");
    let verbs = ["get", "create", "update", "patch", "delete"];
    let mallory = mallory(&namespace, &verbs).await;
    mallory.may(&[Right::to(&verbs, "openbaorestores/status")]).await;
    let held = json!({"name": "r", "namespace": namespace, "finalizers": ["example.org/held"]});
    admitted(
        &mallory.kubectl(&["create", "-f", "-"], Some(&attacking(&namespace, held.clone(), &json!({})))),
    );
    let before = stored(&namespace)["spec"].clone();
    // As kubectl writes a whole object, over whatever the operator wrote meanwhile.
    let replace = |spec: &Value| -> Output {
        let request = attacking(&namespace, held.clone(), spec);
        mallory.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], Some(&request))
    };
    for (spec, field) in attacks() {
        let change = json!({"spec": spec});
        refused(&mallory.merge("obr", "r", &[], &change), &["mallory", field]);
        refused(&mallory.merge("obr", "r", &["--subresource=status"], &change), &["status:", "report"]);
        if !spec.to_string().contains("null") {
            refused(&replace(&spec), &["mallory", field]);
        }
    }
    let json_patch = format!(r#"[{{"op":"replace","path":"/spec/executorImage","value":"{FOREIGN}"}}]"#);
    let json_patch = ["patch", "obr", "r", "--type=json", "-p", &json_patch];
    refused(&mallory.kubectl(&json_patch, None), &["mallory", "spec.executorImage:"]);

    admitted(&mallory.kubectl(&["delete", "obr", "r", "--wait=false"], None));
    cluster()
        .eventually("the operator is done with what is being deleted", Duration::from_mins(1), async || {
            (stored(&namespace)["metadata"]["finalizers"] == json!(["example.org/held"])).then_some(())
        })
        .await;
    for (spec, field) in attacks() {
        refused(&mallory.merge("obr", "r", &[], &json!({"spec": spec})), &["mallory", field]);
    }
    assert_eq!(stored(&namespace)["spec"], before);
    let jobs = administer(&["get", "jobs", "-n", &namespace, "-o", "name"], None);
    assert_eq!(jobs, "");
    admitted(&mallory.merge("obr", "r", &[], &json!({"metadata": {"finalizers": null}})));
}
