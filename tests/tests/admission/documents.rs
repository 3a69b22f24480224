//! The manifests that the users' documents show work as written.

use crate::support::{Upgraded, alone, cluster, undisturbed};
use serde_json::Value;
use std::time::Duration;
use tests::corpus::merge;

const CONCEPT: &str = include_str!("documents/restore-concept.yaml");
const OVERVIEW: &str = include_str!("documents/restore-overview.yaml");
const EXAMPLE: &str = include_str!("../../../deploy/examples/restore.yaml");

const BY_JWT: &str = include_str!("documents/cluster-jwt.yaml");
const BY_TOKEN: &str = include_str!("documents/cluster-token.yaml");
/// Our own, of each method of logging in.
const EXAMPLES: [&str; 3] = [
    include_str!("../../../deploy/examples/backup.yaml"),
    include_str!("../../../deploy/examples/backup-token.yaml"),
    include_str!("../../../deploy/examples/backup-connection.yaml"),
];
const REQUESTER: &str = include_str!("../../../deploy/examples/restore-requester.yaml");
/// Each is a part of a manifest, and is merged onto a whole one.
const FRAGMENTS: [&str; 4] = [
    include_str!("documents/fragment-self-init.yaml"),
    include_str!("documents/fragment-retention.yaml"),
    include_str!("documents/fragment-performance.yaml"),
    include_str!("documents/fragment-pre-upgrade.yaml"),
];
/// Stands in a fragment for what the whole manifest has there.
const PLACEHOLDER: &str = "{ ... }";

fn admitted(manifest: &str) -> Value {
    let _ = cluster().kubectl(&["create", "namespace", "security"], None);
    let arguments = ["apply", "--dry-run=server", "-n", "security", "-o", "json", "-f", "-"];
    let output = cluster().kubectl(&arguments, Some(manifest));
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

/// Bug: the roles of the example do not give what admission asks for.
#[tokio::test]
async fn who_has_the_roles_of_the_example_may_ask_for_a_restore() {
    let _guard = undisturbed().await;
    let _ = cluster().kubectl(&["create", "namespace", "security"], None);
    let asked = || cluster().kubectl(&["create", "--dry-run=server", "--as=jane", "-f", "-"], Some(EXAMPLE));
    assert_ne!(asked().code, 0);
    let given = cluster().kubectl(&["apply", "-f", "-"], Some(REQUESTER));
    assert_eq!(given.code, 0, "{}", given.stderr);
    let may = async || (asked().code == 0).then_some(());
    cluster().eventually("jane may ask", Duration::from_secs(30), may).await;
}

#[tokio::test]
async fn backups_are_admitted_as_written_and_with_each_fragment() {
    let _guard = undisturbed().await;
    for whole in [BY_JWT, BY_TOKEN].into_iter().chain(EXAMPLES) {
        admitted(whole);
        let mut all: Value = serde_saphyr::from_str(whole).unwrap();
        for fragment in FRAGMENTS {
            merge(&mut all, &serde_saphyr::from_str(&fragment.replace(PLACEHOLDER, "{}")).unwrap());
            let stored = admitted(&all.to_string());
            assert_eq!(stored["spec"]["selfInit"], all["spec"]["selfInit"], "carried unread");
        }
        assert_eq!(all["spec"]["backup"]["retention"]["maxAge"], "168h");
        assert_eq!(all["spec"]["upgrade"]["preUpgradeSnapshot"], true);
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
