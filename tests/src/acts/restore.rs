//! Third act: secrets are lost, a restore brings them back, and says how it knows.

use super::Stage;
use crate::harness::condition;
use crate::openbao::NAMESPACE;
use crate::scenario::Scenario;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::time::Instant;

const NAME: &str = "after-the-accident";

/// Plays the act on the OpenBao cluster `solo`, with the backup of this key.
///
/// # Errors
/// The first thing that was not true.
pub async fn play(stage: &Stage<'_>, scenario: &Scenario<'_>, key: &str) -> anyhow::Result<()> {
    stage.say("Somebody overwrites the secret:");
    stage.bao(&["write", "app/treasure", "value=gone"])?;

    stage.say("The restore, with its phases as they happen:");
    stage.admitted(&scenario.request(NAME, key))?;
    let done = followed(stage).await?;
    stage.kubectl(&["get", "openbaorestores", "-n", NAMESPACE]);
    stage.kubectl(&[
        "get",
        "events",
        "-n",
        NAMESPACE,
        "--field-selector",
        &format!("involvedObject.name={NAME}"),
    ]);
    ensure!(done["status"]["phase"] == "Completed", "the restore was not completed: {}", done["status"]);

    stage.say("The secret is back:");
    let read = stage.bao(&["read", "-field=value", "app/treasure"])?;
    ensure!(read.stdout.trim() == "irreplaceable", "the secret did not come back: {}", read.stdout);

    stage.say("What was proved:");
    let applied = condition(&done, "Applied");
    println!("{}", applied["message"].as_str().unwrap_or_default());
    ensure!(applied["status"] == "True", "nothing was proved");
    Ok(())
}

/// Prints each change of the request until it is finished.
async fn followed(stage: &Stage<'_>) -> anyhow::Result<Value> {
    let (start, mut shown) = (Instant::now(), String::new());
    let finished = async || {
        let output = stage.cluster.kubectl(&["get", "obr", NAME, "-n", NAMESPACE, "-o", "json"], None);
        let object: Value = serde_json::from_str(&output.stdout).context("the request as JSON")?;
        let line = line(&object);
        if line != shown {
            println!("{:6.1} s  {line}", start.elapsed().as_secs_f32());
            shown = line;
        }
        Ok((condition(&object, "Finished")["status"] == "True").then_some(object))
    };
    let ended = stage.within("the restore ends", finished).await;
    ended.with_context(|| format!("last: {shown}"))
}

fn line(object: &Value) -> String {
    let status = &object["status"];
    let progress = match (status["progress"]["bytes"].as_i64(), status["progress"]["total"].as_i64()) {
        (Some(bytes), Some(total)) => format!(" ({bytes} of {total} bytes)"),
        _ => String::new(),
    };
    let message = condition(object, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    format!("{:<11}{message}{progress}", status["phase"].as_str().unwrap_or_default())
}
