//! Second act: a cluster is backed up, and says so.

use super::Stage;
use crate::harness::condition;
use crate::openbao::NAMESPACE;
use crate::scenario::Scenario;
use anyhow::{Context, ensure};
use serde_json::{Value, json};

const CLUSTER: &str = "solo";
const JOB: &str = "before-the-accident";

/// Plays the act on the OpenBao cluster `solo`; gives the key of the backup.
///
/// # Errors
/// The first thing that was not true.
pub async fn play(stage: &Stage<'_>, scenario: &Scenario<'_>) -> anyhow::Result<String> {
    stage.say("OpenBao holds a secret:");
    stage.bao(&["write", "app/treasure", "value=irreplaceable"])?;

    stage.say("Its cluster is told where backups go, and who may take them; they are made by hand here:");
    let patch = json!({"spec": {"backup": scenario.backup()}}).to_string();
    let arguments = ["patch", "openbaocluster", CLUSTER, "-n", NAMESPACE, "--type=merge", "-p", &patch];
    ensure!(stage.kubectl(&arguments).code == 0, "spec.backup was refused");
    let made = async || {
        let output = stage.cluster.kubectl(&["get", "cronjob", "solo-backup", "-n", NAMESPACE], None);
        Ok((output.code == 0).then_some(()))
    };
    stage.within("its CronJob is there", made).await?;
    let arguments = ["create", "job", JOB, "--from=cronjob/solo-backup", "-n", NAMESPACE];
    ensure!(stage.kubectl(&arguments).code == 0, "no Job was made");

    let told = stage.within("the backup is made", async || made_or_failed(&stored(stage)?)).await?;
    stage.kubectl(&["get", "openbaocluster", CLUSTER, "-n", NAMESPACE]);
    let healthy = condition(&told, "BackupHealthy");
    println!("\n{}", healthy["message"].as_str().unwrap_or_default());
    ensure!(healthy["status"] == "True", "the backup is not healthy: {}", told["status"]);
    let key = told["status"]["backup"]["lastBackupName"].as_str().context("a key")?.to_owned();
    let objects = scenario.objects().await?;
    ensure!(objects.contains(&format!("{key}.json")), "no manifest is beside it: {objects:?}");
    Ok(key)
}

fn stored(stage: &Stage<'_>) -> anyhow::Result<Value> {
    let output =
        stage.cluster.kubectl(&["get", "openbaocluster", CLUSTER, "-n", NAMESPACE, "-o", "json"], None);
    serde_json::from_str(&output.stdout).context("the cluster as JSON")
}

fn made_or_failed(cluster: &Value) -> anyhow::Result<Option<Value>> {
    let status = &cluster["status"];
    let failed = status["backup"]["lastFailureReason"].as_str();
    ensure!(failed.is_none(), "the backup failed: {}", failed.unwrap_or_default());
    let over = status["backup"]["lastBackupName"].is_string() && status["operationLock"].is_null();
    Ok(over.then(|| cluster.clone()))
}
