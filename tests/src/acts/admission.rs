//! First act: bad requests are refused with the field and the fix, a good one gets its defaults.

use super::Stage;
use anyhow::ensure;
use serde_json::{Value, json};

const NAMESPACE: &str = "security";

fn request(name: &str) -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1",
        "kind": "OpenBaoRestore",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "cluster": "prod-cluster",
            "source": {
                "target": {
                    "endpoint": "https://s3.amazonaws.com",
                    "bucket": "openbao-backups",
                    "credentialsSecretRef": {"name": "s3-credentials"}
                },
                "key": "clusters/prod/backup-2026-03-20.snap"
            },
            "jwtAuthRole": "openbao-operator-restore"
        }
    })
}

/// Plays the act.
///
/// # Errors
/// The first thing that was not true.
pub fn play(stage: &Stage) -> anyhow::Result<()> {
    stage.kubectl(&["create", "namespace", NAMESPACE]);

    stage.say("A restore that names nobody to log in as:");
    let mut nobody = request("nobody");
    if let Some(spec) = nobody["spec"].as_object_mut() {
        spec.remove("jwtAuthRole");
    }
    stage.refused(&nobody, &["spec.jwtAuthRole"])?;

    stage.say("One that reaches for a token of another namespace:");
    let mut reaching = request("reaching");
    reaching["spec"]["tokenSecretRef"] = json!({"name": "admin-token", "namespace": "kube-system"});
    stage.refused(&reaching, &["spec.tokenSecretRef.namespace"])?;

    stage.say("Three mistakes, one answer:");
    let mut three = request("three");
    three["spec"]["tokenSecretRef"] = json!({"name": ""});
    three["spec"]["overrideOperationLock"] = json!(true);
    three["spec"]["source"]["target"]["credentialsSecretRef"]["namespace"] = json!("kube-system");
    stage.refused(
        &three,
        &[
            "spec.tokenSecretRef.name",
            "spec.overrideOperationLock",
            "spec.source.target.credentialsSecretRef.namespace",
        ],
    )?;

    stage.say("A good one is admitted, and gets what depends on the installation:");
    stage.admitted(&request("prod-restore"))?;
    stage.kubectl(&["get", "openbaorestores", "-n", NAMESPACE]);
    let path = "jsonpath=audience {.spec.audience}{\"\\n\"}executorImage {.spec.executorImage}{\"\\n\"}";
    let defaults = stage.kubectl(&["get", "obr", "prod-restore", "-n", NAMESPACE, "-o", path]);
    ensure!(defaults.stdout.contains("openbao-internal"), "the audience was not filled in");

    stage.say("A request never changes, not even by force:");
    let mut changed = request("prod-restore");
    changed["spec"]["source"]["key"] = json!("clusters/prod/another.snap");
    let before = uid(stage)?;
    let output = stage.apply(&["apply", "--force", "-f", "-"], &changed)?;
    ensure!(
        output.code != 0 && output.stderr.contains("spec.source.key"),
        "the change was not refused by its field"
    );
    ensure!(uid(stage)? == before, "the request was deleted and re-created");
    Ok(())
}

fn uid(stage: &Stage) -> anyhow::Result<String> {
    let arguments = ["get", "obr", "prod-restore", "-n", NAMESPACE, "-o", "jsonpath={.metadata.uid}"];
    let output = stage.cluster.kubectl(&arguments, None);
    ensure!(output.code == 0 && !output.stdout.is_empty(), "the request is gone: {}", output.stderr);
    Ok(output.stdout)
}
