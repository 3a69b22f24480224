//! The demo, act by act: each command is shown as a user would type it, with what kubectl answered, and each act
//! says what must be true of the answer. The first thing that is not true ends the demo.

pub mod admission;
pub mod backup;
pub mod restore;

use crate::harness::{Cluster, Output};
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Two Jobs, and the 5.5 s that OpenBao takes to come back with restored data.
const ENDS_WITHIN: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(200);

/// A cluster, and somebody who types commands for an audience.
pub struct Stage<'a> {
    cluster: &'a Cluster,
}

impl<'a> Stage<'a> {
    /// A stage before `cluster`.
    #[must_use]
    pub fn new(cluster: &'a Cluster) -> Self {
        Self { cluster }
    }

    /// Says what comes next.
    pub fn say(&self, text: &str) {
        println!("\n\u{1b}[1m{text}\u{1b}[0m");
    }

    /// Runs kubectl with a manifest, showing all three: the manifest, the command, the answer.
    fn apply(&self, arguments: &[&str], manifest: &Value) -> anyhow::Result<Output> {
        let text = serde_saphyr::to_string(manifest).context("a manifest as YAML")?;
        println!("\n$ kubectl {} <<EOF\n{}EOF", typed(arguments), text);
        Ok(shown(self.cluster.kubectl(arguments, Some(&text))))
    }

    /// Runs kubectl, showing the command and the answer.
    fn kubectl(&self, arguments: &[&str]) -> Output {
        println!("\n$ kubectl {}", typed(arguments));
        shown(self.cluster.kubectl(arguments, None))
    }

    /// Runs the CLI of OpenBao, showing the command and the answer.
    fn bao(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        println!("\n$ bao {}", typed(arguments));
        let output = shown(self.cluster.bao(arguments));
        ensure!(output.code == 0, "bao failed");
        Ok(output)
    }

    /// Asks until there is an answer, or no more can come of it.
    async fn within<T>(
        &self,
        what: &str,
        mut question: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        while start.elapsed() < ENDS_WITHIN {
            if let Some(answer) = question().await? {
                return Ok(answer);
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("not within {ENDS_WITHIN:?}: {what}")
    }

    /// Applies a manifest that must be refused with all of `words` in the answer.
    fn refused(&self, manifest: &Value, words: &[&str]) -> anyhow::Result<()> {
        let output = self.apply(&["apply", "-f", "-"], manifest)?;
        ensure!(output.code != 0, "a bad request was admitted");
        for word in words {
            ensure!(output.stderr.contains(word), "the refusal does not say {word:?}");
        }
        Ok(())
    }

    /// Applies a manifest that must be admitted.
    fn admitted(&self, manifest: &Value) -> anyhow::Result<()> {
        let output = self.apply(&["apply", "-f", "-"], manifest)?;
        ensure!(output.code == 0, "a good request was refused");
        Ok(())
    }
}

/// As a shell wants it.
fn typed(arguments: &[&str]) -> String {
    let plain =
        |text: &&str| text.chars().all(|letter| letter.is_alphanumeric() || "-_/.=,:".contains(letter));
    let quoted = |text: &&str| if plain(text) { (*text).to_owned() } else { format!("'{text}'") };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn shown(output: Output) -> Output {
    print!("{}{}", output.stdout, output.stderr);
    output
}
