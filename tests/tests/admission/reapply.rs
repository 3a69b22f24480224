//! The same manifest again, by every way that kubectl has: nothing changes. A changed one with force: nothing changes.

use crate::support::{Upgraded, alone, cluster, good, settled, undisturbed, with};
use serde_json::{Value, json};
use std::io::Write;
use tests::harness::Output;

fn stored(namespace: &str) -> Value {
    let output = cluster().kubectl(&["get", "openbaorestore", "r", "-n", namespace, "-o", "json"], None);
    assert_eq!(output.code, 0, "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

fn kubectl(arguments: &[&str], manifest: &Value) -> Output {
    cluster().kubectl(arguments, Some(&manifest.to_string()))
}

async fn every_way(namespace: &str, manifest: &Value) {
    let ways: [&[&str]; 5] = [
        &["apply", "-f", "-"],
        &["apply", "--server-side", "-f", "-"],
        &["replace", "-f", "-"],
        &["diff", "-f", "-"],
        &["apply", "--dry-run=server", "-f", "-"],
    ];
    let before = stored(namespace);
    for way in ways {
        let output = kubectl(way, manifest);
        assert_eq!(output.code, 0, "kubectl {way:?}: {}{}", output.stdout, output.stderr);
        let after = stored(namespace);
        assert_eq!(after["spec"], before["spec"], "kubectl {way:?}");
        assert_eq!(after["metadata"]["generation"], 1, "kubectl {way:?}");
        assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"], "kubectl {way:?}");
        settled(namespace).await;
    }
    let edit = ["edit", "openbaorestore", "r", "-n", namespace];
    let output = cluster().kubectl_with_env(&edit, None, &[("KUBE_EDITOR", "true")]);
    assert_eq!(output.code, 0, "kubectl edit: {}{}", output.stdout, output.stderr);
    assert_eq!(stored(namespace)["metadata"]["generation"], 1, "kubectl edit");
}

#[tokio::test]
async fn the_same_manifest_again_changes_nothing() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("reapply");
    let manifest = good(&namespace, "r");
    assert_eq!(kubectl(&["apply", "-f", "-"], &manifest).code, 0);
    settled(&namespace).await;
    every_way(&namespace, &manifest).await;
}

/// `edit` sends what an editor left behind: here a label more, and the spec as it was.
#[tokio::test]
async fn an_edit_that_leaves_the_spec_alone_passes() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("edit");
    assert_eq!(kubectl(&["apply", "-f", "-"], &good(&namespace, "r")).code, 0);
    settled(&namespace).await;
    let mut editor = tempfile::NamedTempFile::new().unwrap();
    editor
        .write_all(b"#!/bin/sh\nsed -i 's/^metadata:$/metadata:\\n  labels: {edited: \"yes\"}/' \"$1\"\n")
        .unwrap();
    let editor = editor.into_temp_path();
    let command = format!("sh {}", editor.display());
    let output = cluster().kubectl_with_env(
        &["edit", "openbaorestore", "r", "-n", &namespace],
        None,
        &[("KUBE_EDITOR", &command)],
    );
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let after = stored(&namespace);
    assert_eq!(after["metadata"]["labels"]["edited"], "yes");
    assert_eq!(after["metadata"]["generation"], 1);
}

/// kubectl takes 409 and 422 as leave to delete and re-create: that would run the restore again.
#[tokio::test]
async fn a_forced_change_does_not_re_create_the_request() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("force");
    let manifest = good(&namespace, "r");
    assert_eq!(kubectl(&["apply", "-f", "-"], &manifest).code, 0);
    settled(&namespace).await;
    let before = stored(&namespace);

    let changed = with(manifest, "/source/key", json!("clusters/prod/other.snap"));
    for way in [
        &["apply", "--force", "-f", "-"][..],
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &["apply", "-f", "-"],
        &["replace", "-f", "-"],
    ] {
        let output = kubectl(way, &changed);
        assert_ne!(output.code, 0, "kubectl {way:?}: {}", output.stdout);
        assert!(output.stderr.contains("spec.source.key"), "kubectl {way:?}: {}", output.stderr);
        let after = stored(&namespace);
        assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"], "kubectl {way:?}");
        assert_eq!(after["spec"], before["spec"], "kubectl {way:?}");
    }
}

/// A re-apply from Git must stay equal whatever the installation's values say today.
#[tokio::test]
async fn the_same_manifest_stays_the_same_after_the_installation_changed() {
    let _guard = alone().await;
    let namespace = cluster().namespace("upgraded");
    let manifest = good(&namespace, "r");
    assert_eq!(kubectl(&["apply", "-f", "-"], &manifest).code, 0);
    settled(&namespace).await;

    let other = r#"controller.extraEnv=[{"name":"OPENBAO_JWT_AUDIENCE","value":"another-audience"}]"#;
    let upgraded = Upgraded::with(&["--set-json", other]).await;
    every_way(&namespace, &manifest).await;
    assert_eq!(stored(&namespace)["spec"]["audience"], "openbao-internal");
    let newer = kubectl(&["create", "-o", "json", "-f", "-"], &good(&namespace, "newer"));
    let newer: Value = serde_json::from_str(&newer.stdout).unwrap();
    assert_eq!(newer["spec"]["audience"], "another-audience", "the upgrade did reach the webhook");
    upgraded.back().await;
}
