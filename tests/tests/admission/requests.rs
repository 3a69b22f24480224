//! What a request may name, by the rights of who makes it: each verb refuses without it and admits with it, by every way
//! that kubectl has to write.

use crate::people::{Person, Right, administer, admitted, refused};
use crate::support::{cluster, good, settled, undisturbed};
use serde_json::{Value, json};

const FOREIGN: &str = "registry.example/anything:1";

/// What is asked for beside the good request, the right that it takes, and what its refusal names.
struct Case {
    right: Right,
    spec: Value,
    tells: [&'static str; 2],
}

fn cases() -> Vec<Case> {
    let on_cluster = |verb| Right::on_cluster(verb, "prod-cluster");
    let case = |right, spec, tells| Case { right, spec, tells };
    let target = |target: Value| json!({"source": {"target": target}});
    let secret = "spec.source.target.credentialsSecretRef";
    let by_token = json!({"jwtAuthRole": null, "tokenSecretRef": {"name": "token"}});
    let override_lock = json!({"force": true, "overrideOperationLock": true});
    let identity = "use-cloud-identity on openbaoclusters/prod-cluster";
    let image = "use-image on openbaoclusters/prod-cluster";
    vec![
        case(
            on_cluster("restore"),
            json!({"force": true}),
            ["spec.cluster:", "restore on openbaoclusters/prod-cluster"],
        ),
        case(
            on_cluster("take-lock"),
            override_lock,
            ["spec.overrideOperationLock:", "take-lock on openbaoclusters/prod-cluster"],
        ),
        case(
            Right::to_use("s3-credentials"),
            json!({"force": true}),
            ["spec.source.target.credentialsSecretRef.name:", "the Secret s3-credentials"],
        ),
        case(
            Right::to(&["get"], "secrets").on("token"),
            by_token.clone(),
            ["spec.tokenSecretRef.name:", "the Secret token"],
        ),
        case(Right::to_use("token"), by_token, ["spec.tokenSecretRef.name:", "the Secret token"]),
        case(
            on_cluster("use-cloud-identity"),
            target(json!({"credentialsSecretRef": null})),
            [secret, identity],
        ),
        case(
            on_cluster("use-cloud-identity"),
            target(json!({"roleArn": "arn:aws:iam::1:role/r"})),
            ["spec.source.target.roleArn:", identity],
        ),
        case(on_cluster("use-image"), json!({"executorImage": FOREIGN}), ["spec.executorImage:", image]),
        case(on_cluster("use-image"), json!({"image": FOREIGN}), ["spec.image:", image]),
    ]
}

/// Every right that a case is about but its own.
fn others(right: &Right) -> Vec<Right> {
    let mut all: Vec<Right> = cases().into_iter().map(|case| case.right).collect();
    all.dedup();
    let of_token =
        |other: &Right| [Right::to_use("token"), Right::to(&["get"], "secrets").on("token")].contains(other);
    all.retain(|other| other != right && !(of_token(other) && of_token(right)));
    all.push(Right::to(&["get", "create", "patch", "update"], "openbaorestores"));
    all
}

/// The good request with what a merge patch of its spec says.
fn asked(namespace: &str, name: &str, spec: &Value) -> Value {
    let mut request = good(namespace, name);
    json_patch::merge(&mut request["spec"], spec);
    request
}

/// Ways to make a request.
const CREATE: [&[&str]; 5] = [
    &["create", "--dry-run=server", "-f", "-"],
    &["create", "-f", "-"],
    &["apply", "-f", "-"],
    &["apply", "--server-side", "--dry-run=server", "-f", "-"],
    &["apply", "--server-side", "-f", "-"],
];

#[tokio::test]
async fn a_request_names_only_what_its_maker_may_use() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("requests");
    administer(&["create", "-f", "-"], Some(&good(&namespace, "r")));
    settled(&namespace).await;
    for (index, Case { right, spec, tells }) in cases().into_iter().enumerate() {
        let bob = Person::with(&format!("bob-{index}"), &namespace, &others(&right)).await;
        let name = format!("r-{index}");
        let request = asked(&namespace, &name, &spec);
        let tells = [&bob.name, tells[0], tells[1]];
        for way in CREATE {
            refused(&bob.kubectl(way, Some(&request)), &tells);
        }
        let change = json!({"spec": spec});
        refused(&bob.merge("openbaorestore", "r", &[], &change), &tells);
        refused(&bob.merge("openbaorestore", "r", &["--dry-run=server"], &change), &tells);

        bob.may(&[right]).await;
        admitted(&bob.kubectl(CREATE[0], Some(&request)));
        admitted(&bob.kubectl(CREATE[3], Some(&request)));
        admitted(&bob.kubectl(CREATE[4], Some(&request)));
        // Now the webhook is asked, for whom a request never changes.
        let changed = bob.merge("openbaorestore", "r", &[], &change);
        assert!(changed.stderr.contains("a request never changes"), "{}{}", changed.stdout, changed.stderr);
    }
    let stored =
        administer(&["get", "obr", "r", "-n", &namespace, "-o", "jsonpath={.metadata.generation}"], None);
    assert_eq!(stored, "1");
}
