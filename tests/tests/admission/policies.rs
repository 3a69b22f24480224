//! The policies in the API server, asked by a user who may write every status and has none of our verbs.

use crate::support::{cluster, good, undisturbed};
use serde_json::{Value, json};
use tests::harness::Output;

const BOB: [&str; 2] = ["--as", "bob"];

fn admin(arguments: &[&str], manifest: Option<&Value>) {
    let output = cluster().kubectl(arguments, manifest.map(Value::to_string).as_deref());
    assert_eq!(output.code, 0, "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
}

/// Merges into the status of an object, as somebody.
fn patch(who: &[&str], kind: &str, name: &str, namespace: &str, status: &Value) -> Output {
    let patch = json!({"status": status}).to_string();
    let arguments =
        ["patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge", "-p", &patch];
    cluster().kubectl(&[who, &arguments].concat(), None)
}

/// Bob may write status here, by an ordinary Role.
fn let_bob_in(namespace: &str) {
    let resources = "openbaoclusters,openbaorestores,openbaoclusters/status,openbaorestores/status";
    let role = ["create", "role", "status", "-n", namespace, "--verb=get,patch", "--resource", resources];
    admin(&role, None);
    admin(&["create", "rolebinding", "status", "-n", namespace, "--role=status", "--user=bob"], None);
}

#[tokio::test]
async fn a_lock_of_ours_is_for_those_who_may_take_it() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("lock");
    let_bob_in(&namespace);
    let kind = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "c", "namespace": namespace}, "spec": {}
    });
    admin(&["create", "-f", "-"], Some(&kind));
    let lock = |who: &[&str], holder: Option<&str>| {
        let lock = holder.map(|holder| json!({"operation": "Upgrade", "holder": holder}));
        patch(who, "openbaocluster", "c", &namespace, &json!({"operationLock": lock}))
    };
    let passes = |output: Output| assert_eq!(output.code, 0, "{}", output.stderr);
    let is_refused = |output: Output, field: &str| {
        assert_ne!(output.code, 0, "{}", output.stdout);
        assert!(output.stderr.contains(field) && output.stderr.contains("take-lock"), "{}", output.stderr);
    };
    let ours = "openbao-recovery/restore/dr/uid";

    passes(lock(&BOB, Some("openbaocluster/upgrade")));
    is_refused(lock(&BOB, Some("somebody/else")), "status.operationLock.holder");
    passes(lock(&BOB, None));
    is_refused(lock(&BOB, Some(ours)), "status.operationLock");
    passes(lock(&[], Some(ours)));
    is_refused(lock(&BOB, None), "status.operationLock");
    is_refused(lock(&BOB, Some("openbaocluster/upgrade")), "status.operationLock");
    passes(patch(&BOB, "openbaocluster", "c", &namespace, &json!({"phase": "Running"})));
    passes(lock(&[], None));
}

#[tokio::test]
async fn the_status_of_a_restore_is_for_those_who_report() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("report");
    let_bob_in(&namespace);
    admin(&["create", "-f", "-"], Some(&good(&namespace, "r")));
    let forged = patch(&BOB, "openbaorestore", "r", &namespace, &json!({"phase": "Completed"}));
    assert_ne!(forged.code, 0, "{}", forged.stdout);
    assert!(forged.stderr.contains("the verb report"), "{}", forged.stderr);
}

/// A policy with a typing mistake is stored without a word and fails when it is asked.
#[tokio::test]
async fn no_policy_has_a_type_check_warning() {
    let _guard = undisturbed().await;
    let output = cluster().kubectl(&["get", "validatingadmissionpolicies", "-o", "json"], None);
    let policies: Value = serde_json::from_str(&output.stdout).unwrap();
    let ours: Vec<&Value> = policies["items"].as_array().unwrap().iter().collect();
    assert!(ours.len() >= 2, "{}", output.stdout);
    for policy in ours {
        let status = &policy["status"];
        assert!(status["typeChecking"].is_object(), "it was checked: {policy}");
        assert!(status["typeChecking"]["expressionWarnings"].is_null(), "{status}");
    }
}
