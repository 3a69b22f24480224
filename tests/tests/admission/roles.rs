//! The chart's roles, each held by somebody in one namespace, and what aggregates into Kubernetes' own.

use crate::people::{Person, Right, administer, admitted, refused};
use crate::support::{cluster, good, settled, undisturbed};
use serde_json::{Value, json};
use std::time::Duration;
use tests::harness::Output;

const ROLES: &str = "openbao-recovery-openbao-recovery";

/// Refused by RBAC, before any policy is asked.
#[track_caller]
fn may_not(output: &Output) {
    assert_ne!(output.code, 0, "{}", output.stdout);
    assert!(output.stderr.contains("cannot"), "{}", output.stderr);
}

async fn holder(role: &str, namespace: &str, right: Right) -> Person {
    let person = Person { name: role.to_owned(), namespace: namespace.to_owned() };
    person.is_bound(&format!("{ROLES}-{role}"), &right).await;
    person
}

/// A request `r` and its cluster, backed up.
async fn installed(prefix: &str) -> String {
    let namespace = cluster().namespace(prefix);
    let target = json!({"bucket": "openbao-backups", "credentialsSecretRef": {"name": "s3-credentials"}});
    let backed_up = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "other", "namespace": namespace},
        "spec": {"backup": {"jwtAuthRole": "backup", "target": target}}
    });
    administer(&["create", "-f", "-"], Some(&backed_up));
    administer(&["create", "-f", "-"], Some(&good(&namespace, "r")));
    settled(&namespace).await;
    namespace
}

#[tokio::test]
async fn a_viewer_sees_and_no_more() {
    let _guard = undisturbed().await;
    let namespace = installed("viewer").await;
    let viewer = holder("viewer", &namespace, Right::to(&["get"], "openbaorestores")).await;
    admitted(&viewer.kubectl(&["get", "openbaorestores,openbaoclusters"], None));
    may_not(&viewer.kubectl(&["get", "leases"], None));
    may_not(&viewer.kubectl(&["create", "-f", "-"], Some(&good(&namespace, "new"))));
    may_not(&viewer.merge("openbaocluster", "other", &[], &json!({"spec": {"version": "2"}})));
}

#[tokio::test]
async fn a_backup_operator_runs_backups_and_sends_nothing_elsewhere() {
    let _guard = undisturbed().await;
    let namespace = installed("backup-operator").await;
    let operator = holder("backup-operator", &namespace, Right::to(&["patch"], "openbaoclusters")).await;
    let backup =
        |backup: Value| operator.merge("openbaocluster", "other", &[], &json!({"spec": {"backup": backup}}));
    admitted(
        &operator.kubectl(&["annotate", "openbaocluster", "other", "openbao.org/trigger-backup=1"], None),
    );
    admitted(&backup(json!({"schedule": "0 3 * * *", "suspend": true})));
    refused(&backup(json!({"target": {"bucket": "elsewhere"}})), &["s3-credentials"]);
    may_not(&operator.kubectl(&["create", "job", "j", "--image=i"], None));
    may_not(&operator.kubectl(&["create", "-f", "-"], Some(&good(&namespace, "new"))));
}

#[tokio::test]
async fn a_restore_requester_restores_from_the_secrets_it_may_use() {
    let _guard = undisturbed().await;
    let namespace = installed("requester").await;
    let requester = holder("restore-requester", &namespace, Right::to(&["restore"], "openbaoclusters")).await;
    let create = |request: &Value| requester.kubectl(&["create", "-f", "-"], Some(request));
    refused(&create(&good(&namespace, "new")), &["s3-credentials"]);
    requester.may(&[Right::to_use("s3-credentials")]).await;
    admitted(&create(&good(&namespace, "new")));
    let mut overriding = good(&namespace, "overriding");
    json_patch::merge(&mut overriding["spec"], &json!({"force": true, "overrideOperationLock": true}));
    refused(&create(&overriding), &["take-lock"]);
    may_not(&requester.kubectl(&["delete", "obr", "new"], None));
    may_not(&requester.kubectl(&["annotate", "obr", "new", "openbao.org/again=uid"], None));
    may_not(&requester.merge("openbaocluster", "other", &[], &json!({"spec": {"version": "2"}})));
}

#[tokio::test]
async fn a_restore_admin_breaks_the_glass_and_still_names_no_image_and_no_server() {
    let _guard = undisturbed().await;
    let namespace = installed("restore-admin").await;
    let admin = holder("restore-admin", &namespace, Right::to(&["take-lock"], "openbaoclusters")).await;
    admin.may(&[Right::to_use("s3-credentials")]).await;
    let mut overriding = good(&namespace, "overriding");
    json_patch::merge(&mut overriding["spec"], &json!({"force": true, "overrideOperationLock": true}));
    admitted(&admin.kubectl(&["create", "-f", "-"], Some(&overriding)));
    admitted(&admin.kubectl(&["annotate", "obr", "r", "openbao.org/abandon=uid"], None));
    let lock = |holder: Option<&str>| {
        let lock = holder.map(|holder| json!({"operation": "Restore", "holder": holder}));
        json!({"status": {"operationLock": lock}})
    };
    for holder in [Some("openbao-recovery/restore/r/uid"), None] {
        admitted(&admin.merge("openbaocluster", "other", &["--subresource=status"], &lock(holder)));
    }
    admitted(&admin.kubectl(&["delete", "obr", "r", "--wait=false"], None));
    may_not(&admin.merge(
        "obr",
        "overriding",
        &["--subresource=status"],
        &json!({"status": {"phase": "Failed"}}),
    ));
    let mut foreign = good(&namespace, "foreign");
    foreign["spec"]["executorImage"] = json!("registry.example/anything:1");
    refused(&admin.kubectl(&["create", "-f", "-"], Some(&foreign)), &["use-image"]);
    let elsewhere = json!({"spec": {"connection": {"addresses": ["https://elsewhere.example"]}}});
    refused(&admin.merge("openbaocluster", "other", &[], &elsewhere), &["connect"]);
}

/// The rules of one of Kubernetes' own roles that are about our kinds, or about `use` of Secrets.
fn ours(role: &str) -> Vec<Value> {
    let role: Value =
        serde_json::from_str(&administer(&["get", "clusterrole", role, "-o", "json"], None)).unwrap();
    let rules = role["rules"].as_array().cloned().unwrap_or_default();
    let is_ours =
        |rule: &Value| rule["apiGroups"].as_array().is_some_and(|all| all.contains(&json!(api::GROUP)));
    let uses = |rule: &Value| rule["verbs"].as_array().is_some_and(|all| all.contains(&json!("use")));
    rules.into_iter().filter(|rule| is_ours(rule) || uses(rule)).collect()
}

#[tokio::test]
async fn only_to_see_aggregates_into_the_roles_of_kubernetes() {
    let _guard = undisturbed().await;
    for role in ["view", "edit", "admin"] {
        let rules = cluster().eventually("the role is aggregated", Duration::from_mins(1), async || {
            Some(ours(role)).filter(|rules| !rules.is_empty())
        });
        for rule in rules.await {
            assert_eq!(rule["verbs"], json!(["get", "list", "watch"]), "{role}: {rule}");
        }
    }
}
