//! The manifests that the users' documents show work as written.

use crate::support::{Upgraded, alone, cluster, undisturbed};
use serde_json::Value;

const CONCEPT: &str = include_str!("documents/restore-concept.yaml");
const OVERVIEW: &str = include_str!("documents/restore-overview.yaml");
const EXAMPLE: &str = include_str!("../../../deploy/examples/restore.yaml");

fn admitted(manifest: &str) -> Value {
    let _ = cluster().kubectl(&["create", "namespace", "security"], None);
    let output = cluster().kubectl(&["apply", "--dry-run=server", "-o", "json", "-f", "-"], Some(manifest));
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_request_with_a_role_is_admitted_as_written() {
    let _guard = undisturbed().await;
    for manifest in [CONCEPT, EXAMPLE] {
        assert_eq!(admitted(manifest)["spec"]["jwtAuthRole"], "openbao-operator-restore");
    }
}

/// The overview's request names no authentication: it works where the installation gives it a role.
#[tokio::test]
async fn a_request_without_authentication_gets_the_role_of_the_installation() {
    let _guard = alone().await;
    let _ = cluster().kubectl(&["create", "namespace", "security"], None);
    let refused = cluster().kubectl(&["apply", "--dry-run=server", "-f", "-"], Some(OVERVIEW));
    assert!(refused.stderr.contains("spec.jwtAuthRole"), "{}", refused.stderr);

    let upgraded = Upgraded::with(&["--set", "defaults.restoreJwtAuthRole=openbao-operator-restore"]).await;
    assert_eq!(admitted(OVERVIEW)["spec"]["jwtAuthRole"], "openbao-operator-restore");
    upgraded.back().await;
}
