//! The policies themselves: that they are sound, that the chart's are those of `deploy/policies`, and the two on status.

use crate::people::{Person, Right, administer, admitted, refused};
use crate::support::{RELEASE, cluster, good, undisturbed};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tests::harness::Output;

const PLAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/policies");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/chart");

/// Somebody who may write every status here.
async fn bob(namespace: &str) -> Person {
    let verbs = ["get", "patch"];
    let resources =
        ["openbaoclusters", "openbaorestores", "openbaoclusters/status", "openbaorestores/status"];
    Person::with("bob", namespace, &resources.map(|resource| Right::to(&verbs, resource))).await
}

/// Every way to write a status. What is null is left out where a whole status is applied, which removes it too.
fn status(person: &Person, kind: &str, name: &str, status: &Value) -> [Output; 3] {
    let merge = |more: &[&str]| {
        person.merge(kind, name, &[&["--subresource=status"], more].concat(), &json!({"status": status}))
    };
    let mut whole = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": person.namespace}, "status": {"phase": "Pending"}
    });
    json_patch::merge(&mut whole["status"], status);
    let apply = ["apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-"];
    [merge(&["--dry-run=server"]), person.kubectl(&apply, Some(&whole)), merge(&[])]
}

#[tokio::test]
async fn a_lock_of_ours_is_for_those_who_may_take_it() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("lock");
    let bob = bob(&namespace).await;
    let tom = Person::with("tom", &namespace, &[Right::on_cluster("take-lock", "c")]).await;
    tom.may(&[Right::to(&["get", "patch"], "openbaoclusters/status")]).await;
    let locked = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "c", "namespace": namespace}, "spec": {}
    });
    administer(&["create", "-f", "-"], Some(&locked));
    let lock = |who: &Person, holder: Option<&str>| {
        let lock = holder.map(|holder| json!({"operation": "Upgrade", "holder": holder}));
        status(who, "OpenBaoCluster", "c", &json!({"operationLock": lock}))
    };
    let passes = |outputs: [Output; 3]| outputs.iter().for_each(admitted);
    let is_refused = |outputs: [Output; 3], field: &str| {
        for output in outputs {
            refused(&output, &[field, "take-lock on openbaoclusters/c"]);
        }
    };
    // A lock of ours whose owner is not there is cleared by the operator.
    let owner =
        administer(&["create", "-o", "jsonpath={.metadata.uid}", "-f", "-"], Some(&good(&namespace, "dr")));
    let ours = format!("openbao-recovery/restore/dr/{owner}");

    passes(lock(&bob, Some("openbaocluster/upgrade")));
    is_refused(lock(&bob, Some("somebody/else")), "status.operationLock.holder:");
    passes(lock(&bob, None));
    is_refused(lock(&bob, Some(ours.as_str())), "status.operationLock:");
    passes(lock(&tom, Some(ours.as_str())));
    is_refused(lock(&bob, None), "status.operationLock:");
    is_refused(lock(&bob, Some("openbaocluster/upgrade")), "status.operationLock:");
    let other = json!({"status": {"phase": "Running"}});
    admitted(&bob.merge("openbaocluster", "c", &["--subresource=status"], &other));
    passes(lock(&tom, None));
}

#[tokio::test]
async fn the_status_of_a_restore_is_for_those_who_report() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("report");
    let bob = bob(&namespace).await;
    administer(&["create", "-f", "-"], Some(&good(&namespace, "r")));
    let forged = json!({"phase": "Completed"});
    for output in status(&bob, "OpenBaoRestore", "r", &forged) {
        refused(&output, &["status:", "the verb report", "openbaorestores/r"]);
    }
    bob.may(&[Right::to(&["report"], "openbaorestores").on("r")]).await;
    for output in status(&bob, "OpenBaoRestore", "r", &forged) {
        admitted(&output);
    }
}

/// A policy with a typing mistake is stored without a word and fails when it is asked.
#[tokio::test]
async fn no_policy_has_a_type_check_warning() {
    let _guard = undisturbed().await;
    let live: Value =
        serde_json::from_str(&administer(&["get", "validatingadmissionpolicies", "-o", "json"], None))
            .unwrap();
    let ours = live["items"].as_array().unwrap();
    let kinds = specs(&administer(&["kustomize", PLAIN], None));
    assert_eq!(
        ours.len(),
        kinds.keys().filter(|name| name.starts_with("ValidatingAdmissionPolicy ")).count()
    );
    for policy in ours {
        let status = &policy["status"];
        assert!(status["typeChecking"].is_object(), "it was checked: {policy}");
        assert!(status["typeChecking"]["expressionWarnings"].is_null(), "{status}");
    }
}

/// Every policy and binding of a manifest under its kind and short name, with its spec.
fn specs(manifest: &str) -> BTreeMap<String, Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    let of_policies = objects.into_iter().filter(|object| {
        object["kind"].as_str().is_some_and(|kind| kind.starts_with("ValidatingAdmissionPolicy"))
    });
    let short = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        name.rsplit_once("openbao-recovery-").map_or(name, |(_, short)| short).to_owned()
    };
    of_policies
        .map(|mut object| {
            let name = format!("{} {}", object["kind"].as_str().unwrap(), short(&object["metadata"]["name"]));
            let mut spec = object["spec"].take();
            if spec["policyName"].is_string() {
                spec["policyName"] = json!(short(&spec["policyName"]));
            }
            (name, spec)
        })
        .collect()
}

/// Takes the images out of the specs and gives those of each policy that has some.
fn images(specs: &mut BTreeMap<String, Value>) -> Vec<Vec<String>> {
    let variables = specs.values_mut().filter_map(|spec| spec["variables"].as_array_mut()).flatten();
    let own = variables.filter(|variable| variable["name"] == "ownImages");
    own.map(|variable| {
        let list = variable["expression"].take();
        serde_json::from_str(&list.as_str().unwrap().replace('\'', "\"")).unwrap()
    })
    .collect()
}

/// The text is written once: what the chart makes of it differs in names, labels and images only.
#[tokio::test]
async fn the_charts_policies_are_those_of_the_folder() {
    let _guard = undisturbed().await;
    let mut plain = specs(&administer(&["kustomize", PLAIN], None));
    let rendered = cluster().helm(&["get", "manifest", RELEASE, "-n", RELEASE]);
    let mut chart = specs(&rendered.stdout);
    let released = format!("ghcr.io/openbao-recovery/openbao-recovery:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(images(&mut plain), [[released.clone()], [released]]);
    assert_eq!(images(&mut chart), [["openbao-recovery:local"], ["openbao-recovery:local"]]);
    assert_eq!(plain, chart);
    administer(&["apply", "-k", PLAIN, "--dry-run=server"], None);
}

/// While an upgrade rolls out, webhooks of the release before it still fill in their own image.
#[tokio::test]
async fn an_upgrade_still_admits_the_image_of_the_release_before() {
    let _guard = undisturbed().await;
    let upgrade = ["upgrade", RELEASE, CHART, "-n", RELEASE, "--reuse-values", "--dry-run=server"];
    let rendered = |more: &[&str]| {
        let output = cluster().helm(&[&upgrade, more].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        let (_, manifest) = output.stdout.split_once("MANIFEST:").unwrap();
        let manifest = manifest.split("\nNOTES:").next().unwrap();
        images(&mut specs(manifest))
    };
    let next = ["openbao-recovery:next", "openbao-recovery:local"];
    assert_eq!(rendered(&["--set", "image.tag=next"]), [next, next]);
    assert_eq!(rendered(&[]), [["openbao-recovery:local"], ["openbao-recovery:local"]]);
}
