//! An API server that asks no webhook of ours: as after a half uninstall, or an administrator's mistake.

use crate::support::{RELEASE, cluster, good, with};
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "openbao-recovery-openbao-recovery";
const KINDS: [&str; 2] = ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"];

/// Both configurations are gone while this lives.
pub(crate) struct Unguarded {
    taken: Vec<Value>,
}

impl Unguarded {
    pub(crate) async fn start() -> Self {
        let taken = KINDS.map(|kind| {
            let output = cluster().kubectl(&["get", kind, NAME, "-o", "json"], None);
            assert_eq!(output.code, 0, "{}", output.stderr);
            let mut configuration: Value = serde_json::from_str(&output.stdout).unwrap();
            let metadata = &configuration["metadata"];
            configuration["metadata"] = json!({
                "name": metadata["name"], "labels": metadata["labels"], "annotations": metadata["annotations"]
            });
            configuration
        });
        let unguarded = Self { taken: taken.to_vec() };
        for kind in KINDS {
            let output = cluster().kubectl(&["delete", kind, NAME], None);
            assert_eq!(output.code, 0, "{}", output.stderr);
        }
        answers("the API server asks no webhook", |admitted| admitted).await;
        unguarded
    }

    pub(crate) async fn back(self) {
        drop(self);
        answers("the API server asks the webhook again", |admitted| !admitted).await;
        let deployment = "deployment/openbao-recovery-operator";
        let output =
            cluster().kubectl(&["rollout", "status", deployment, "-n", RELEASE, "--timeout=90s"], None);
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    }
}

impl Drop for Unguarded {
    fn drop(&mut self) {
        for configuration in &self.taken {
            let output = cluster().kubectl(&["create", "-f", "-"], Some(&configuration.to_string()));
            assert_eq!(output.code, 0, "{}", output.stderr);
        }
    }
}

/// Asks until a bad request gets the answer that is waited for.
async fn answers(what: &str, wanted: fn(bool) -> bool) {
    let bad = with(good("default", "bad"), "/cluster", json!("")).to_string();
    cluster()
        .eventually(what, Duration::from_mins(1), async || {
            let output = cluster().kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&bad));
            wanted(output.code == 0).then_some(())
        })
        .await;
}
