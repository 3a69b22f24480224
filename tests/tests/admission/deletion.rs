//! A Running restore, and a cluster that one of ours has locked, are not deleted but with the word of who gives them up.

use crate::people::{Person, Right, administer, admitted, refused};
use crate::support::{cluster, good, settled, undisturbed};
use serde_json::{Value, json};

const KINDS: [&str; 2] = ["openbaorestore", "openbaocluster"];

/// A restore `r` that somebody with `report` calls Running, and a cluster `c` that somebody with `take-lock` locked for it.
pub(crate) async fn at_work(namespace: &str, spec: &Value) {
    administer(&["create", "-f", "-"], Some(&good(namespace, "r")));
    let locked = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "c", "namespace": namespace}, "spec": spec
    });
    administer(&["create", "-f", "-"], Some(&locked));
    settled(namespace).await;
    let reporter = [
        Right::to(&["get", "patch"], "openbaorestores/status"),
        Right::to(&["get", "patch"], "openbaoclusters/status"),
        Right::to(&["get", "report"], "openbaorestores"),
        Right::to(&["take-lock"], "openbaoclusters"),
    ];
    let reporter = Person::with("reporter", namespace, &reporter).await;
    let status = |kind, name, status: Value| {
        admitted(&reporter.merge(kind, name, &["--subresource=status"], &json!({"status": status})));
    };
    status("openbaorestore", "r", json!({"phase": "Running"}));
    let lock = json!({"operation": "Restore", "holder": holder(namespace)});
    status("openbaocluster", "c", json!({"operationLock": lock}));
}

fn name_of(kind: &str) -> &'static str {
    if kind == "openbaorestore" { "r" } else { "c" }
}

fn field(kind: &str, namespace: &str, path: &str) -> String {
    administer(&["get", kind, name_of(kind), "-n", namespace, "-o", &format!("jsonpath={{{path}}}")], None)
}

async fn cleaner(namespace: &str) -> Person {
    let verbs = ["get", "list", "watch", "patch", "delete", "deletecollection"];
    let rights = ["openbaorestores", "openbaoclusters"].map(|resource| Right::to(&verbs, resource));
    Person::with("carol", namespace, &rights).await
}

/// Of a lock whose owner is there: any other is cleared by the operator.
pub(crate) fn holder(namespace: &str) -> String {
    format!("openbao-recovery/restore/r/{}", field("openbaorestore", namespace, ".metadata.uid"))
}

#[tokio::test]
async fn a_restore_at_work_and_its_cluster_are_given_up_by_uid_only() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("running");
    at_work(&namespace, &json!({})).await;
    let carol = cleaner(&namespace).await;
    let holder = holder(&namespace);
    let stays = |carol: &Person, kind: &str| {
        let uid = field(kind, &namespace, ".metadata.uid");
        let object = format!("{kind}s/{}", name_of(kind));
        let (field, told) = match kind {
            "openbaorestore" => ("status.phase:", "is Running"),
            _ => ("status.operationLock.holder:", holder.as_str()),
        };
        let tells = [field, &object, told, &format!("openbao.org/abandon={uid}")];
        let collection = format!("/apis/openbao.org/v1alpha1/namespaces/{namespace}/{kind}s");
        for way in [
            &["delete", kind, name_of(kind), "--wait=false"][..],
            &["delete", kind, name_of(kind), "--dry-run=server"],
            &["delete", kind, "--all", "--wait=false"],
            &["delete", kind, name_of(kind), "--force", "--grace-period=0", "--wait=false"],
            &["delete", kind, name_of(kind), "--cascade=foreground", "--wait=false"],
            &["delete", "--raw", &collection],
        ] {
            refused(&carol.kubectl(way, None), &tells);
        }
        // Nor by somebody who may do everything, as the garbage collector is.
        refused(&cluster().kubectl(&["delete", kind, name_of(kind), "-n", &namespace], None), &tells);
    };
    let abandon = |kind: &str, uid: &str| {
        let annotation = format!("openbao.org/abandon={uid}");
        let arguments = ["annotate", "--overwrite", kind, name_of(kind), &annotation];
        admitted(&carol.kubectl(&arguments, None));
    };
    for kind in KINDS {
        stays(&carol, kind);
    }
    carol.may(&[Right::to(&["settle"], "openbaoclusters")]).await;
    for (kind, other) in [(KINDS[0], KINDS[1]), (KINDS[1], KINDS[0])] {
        for wrong in ["", "true", &field(other, &namespace, ".metadata.uid")] {
            abandon(kind, wrong);
            stays(&carol, kind);
        }
    }
    // The cluster first: the lock of a restore that was given up is freed.
    for kind in [KINDS[1], KINDS[0]] {
        abandon(kind, &field(kind, &namespace, ".metadata.uid"));
        admitted(&carol.kubectl(&["delete", kind, name_of(kind), "--timeout=60s"], None));
    }
}

#[tokio::test]
async fn what_is_not_at_work_is_deleted_by_whoever_may_delete() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("idle");
    administer(&["create", "-f", "-"], Some(&good(&namespace, "r")));
    let backed_up = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "c", "namespace": namespace}, "spec": {}
    });
    administer(&["create", "-f", "-"], Some(&backed_up));
    let lock =
        r#"{"status":{"operationLock":{"operation":"Backup","holder":"openbao-recovery/backup/b/uid"}}}"#;
    administer(
        &[
            "patch",
            "openbaocluster",
            "c",
            "-n",
            &namespace,
            "--subresource=status",
            "--type=merge",
            "-p",
            lock,
        ],
        None,
    );
    let carol = cleaner(&namespace).await;
    for kind in KINDS {
        admitted(&carol.kubectl(&["delete", kind, name_of(kind), "--timeout=60s"], None));
    }
}

/// Bug: a namespace never ends, since what is in it must not be deleted.
#[tokio::test]
async fn a_namespace_that_is_being_deleted_takes_both_with_it() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("ending");
    at_work(&namespace, &json!({})).await;
    administer(&["delete", "namespace", &namespace, "--wait=false"], None);
    administer(&["wait", "namespace", &namespace, "--for=delete", "--timeout=90s"], None);
}
