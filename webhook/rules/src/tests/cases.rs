use super::{NAMESPACE, cluster, judged, restore, with};
use crate::Kind::{Cluster, Restore};
use serde_json::{Value, json};

/// Path, value put there (null: removed), rule that must answer; it names the path unless the case says another.
type Case = (&'static str, Value, &'static str);

const CREDENTIALS: &str = "spec.source.target.credentialsSecretRef";

fn restore_cases() -> Vec<Case> {
    vec![
        ("spec.cluster", json!(""), "shape"),
        ("spec.cluster", json!(null), "shape"),
        ("spec.cluster", json!("Prod"), "references"),
        ("spec.source.key", json!(" "), "shape"),
        ("spec.source.target", json!(null), "shape"),
        ("spec.source.target.bucket", json!(null), "place"),
        ("spec.source.target.bucket", json!(""), "place"),
        ("spec.source.target.provider", json!("ftp"), "place"),
        ("spec.source.target.provider", json!(""), "empty-strings"),
        ("spec.source.target.region", json!(""), "empty-strings"),
        ("spec.source.target.endpoint", json!(""), "empty-strings"),
        ("spec.source.target.partSize", json!(5 * 1024 * 1024 - 1), "limits"),
        ("spec.source.target.concurrency", json!(0), "limits"),
        ("spec.source.target.concurrency", json!(65), "limits"),
        ("spec.audience", json!(""), "empty-strings"),
        ("spec.executorImage", json!(""), "empty-strings"),
        ("spec.image", json!(""), "empty-strings"),
        ("spec.jwtAuthMount", json!(" "), "empty-strings"),
        ("spec.jwtAuthRole", json!(null), "authentication"),
        ("spec.overrideOperationLock", json!(true), "break-glass"),
        ("spec.source.key", json!("/a.snap"), "key"),
        ("spec.source.key", json!("a/../b.snap"), "key"),
        ("spec.source.key", json!("a\u{7f}.snap"), "key"),
        ("spec.source.sha256", json!("abc"), "digest"),
        ("spec.source.sha256", json!("g".repeat(64)), "digest"),
        ("spec.startingDeadlineSeconds", json!(0), "deadline"),
        ("spec.tokenSecretRef.name", json!(""), "references"),
        ("spec.tokenSecretRef.name", json!("prod-cluster-root-token"), "references"),
    ]
}

#[test]
fn good_objects_pass_without_a_word() {
    for (kind, object) in [(Restore, restore()), (Cluster, cluster())] {
        let verdict = judged(kind, &object, None);
        assert_eq!(verdict, crate::Verdict::default(), "{kind:?}");
    }
}

#[test]
fn each_rule_of_a_restore_answers_with_its_field() {
    for (path, value, rule) in restore_cases() {
        let verdict = judged(Restore, &with(&restore(), path, value.clone()), None);
        let found: Vec<_> =
            verdict.violations.iter().map(|found| (found.rule, found.field.as_str())).collect();
        assert_eq!(found, [(rule, path)], "{path} = {value}");
    }
}

#[test]
fn each_reference_is_held_to_its_namespace_name_and_key() {
    for (field, value, accepted) in [
        ("namespace", json!(NAMESPACE), true),
        ("namespace", json!("payments"), false),
        ("name", json!("prod-unseal-key"), false),
        ("name", json!("prod-tls-ca"), false),
        ("name", json!("prod-tls-server"), false),
        ("name", json!("../other"), false),
        ("key", json!("a/b"), false),
        ("key", json!("caCert"), true),
    ] {
        let path = format!("{CREDENTIALS}.{field}");
        let verdict = judged(Restore, &with(&restore(), &path, value.clone()), None);
        let fields: Vec<_> = verdict.violations.iter().map(|found| found.field.as_str()).collect();
        assert_eq!(fields, if accepted { vec![] } else { vec![path.as_str()] }, "{path} = {value}");
    }
}

#[test]
fn a_cluster_is_held_to_the_same_laws() {
    for (path, value, field) in [
        ("spec.backup.jwtAuthRole", json!(null), "spec.backup.jwtAuthRole"),
        ("spec.backup.target.credentialsSecretRef.namespace", json!("payments"), ""),
        ("spec.backup.target.bucket", json!(null), ""),
        ("spec.backup.audience", json!(""), ""),
        ("spec.restore.jwtAuthRole", json!(""), ""),
        ("spec.connection.caSecretRef.namespace", json!("payments"), ""),
        ("spec.backup.target", json!(null), "spec.backup"),
    ] {
        let verdict = judged(Cluster, &with(&cluster(), path, value), None);
        let fields: Vec<_> = verdict.violations.iter().map(|found| found.field.as_str()).collect();
        assert_eq!(fields, [if field.is_empty() { path } else { field }], "{path}");
    }
}

#[test]
fn initialisation_stands_for_a_role_of_backups_only() {
    let backup = with(&cluster(), "spec.backup.jwtAuthRole", json!(null));
    let initialised = with(&backup, "spec.selfInit.oidc.enabled", json!(true));
    assert!(!judged(Cluster, &initialised, None).is_refused());
    let restore = with(&restore(), "spec.jwtAuthRole", json!(null));
    assert!(judged(Restore, &with(&restore, "spec.selfInit.oidc.enabled", json!(true)), None).is_refused());
}

#[test]
fn a_clusters_old_parts_are_not_judged_again() {
    let old = with(&cluster(), "spec.backup.target.bucket", json!(null));
    assert!(judged(Cluster, &old, None).is_refused());
    let new = with(&old, "spec.connection.tlsServerName", json!("bao.svc"));
    assert!(!judged(Cluster, &new, Some(&old)).is_refused());
    let new = with(&old, "spec.backup.suspend", json!(true));
    assert!(judged(Cluster, &new, Some(&old)).is_refused());
}

#[test]
fn everything_wrong_comes_back_at_once_and_as_one_text() {
    let bad = with(&restore(), &format!("{CREDENTIALS}.namespace"), json!("payments"));
    let bad = with(&with(&bad, "spec.jwtAuthRole", json!(null)), "spec.overrideOperationLock", json!(true));
    let verdict = judged(Restore, &bad, None);
    let rules: Vec<_> = verdict.violations.iter().map(|found| found.rule).collect();
    assert_eq!(rules, ["references", "authentication", "break-glass"]);
    for found in &verdict.violations {
        assert!(verdict.message().contains(&format!("{}: {}", found.field, found.message)), "{found:?}");
    }
}

#[test]
fn azure_needs_a_container_or_a_bucket() {
    let azure = with(&restore(), "spec.source.target.provider", json!("azure"));
    let azure = with(&azure, "spec.source.target.bucket", json!(null));
    let verdict = judged(Restore, &azure, None);
    assert_eq!(verdict.violations[0].field, "spec.source.target.azure.container");
    let container = with(&azure, "spec.source.target.azure.container", json!("snapshots"));
    assert!(!judged(Restore, &container, None).is_refused());
}

#[test]
fn two_images_must_be_one() {
    let image = with(&restore(), "spec.image", json!("mirror/recovery:1"));
    for (executor_image, refused) in [("mirror/recovery:1", false), ("mirror/recovery:2", true)] {
        let both = with(&image, "spec.executorImage", json!(executor_image));
        assert_eq!(judged(Restore, &both, None).is_refused(), refused, "{executor_image}");
    }
}

#[test]
fn what_is_risky_and_legal_is_warned_of() {
    for (path, value, warnings) in [
        ("spec.force", json!(true), 2),
        ("spec.source.target.insecureSkipVerify", json!(true), 1),
        ("spec.tokenSecretRef", json!({"name": "token"}), 1),
        ("spec.source.key", json!("backup.tar.gz"), 1),
    ] {
        let verdict = judged(Restore, &with(&restore(), path, value), None);
        assert!(!verdict.is_refused(), "{path}");
        assert_eq!(verdict.warnings.len(), warnings, "{path}");
        for warning in verdict.warnings {
            assert!(warning.is_ascii() && warning.len() <= 120, "{warning}");
        }
    }
}

#[test]
fn a_change_names_every_field_and_both_ways_out() {
    let new = with(&with(&restore(), "spec.source.key", json!("b.snap")), "spec.force", json!(true));
    let verdict = judged(Restore, &new, Some(&restore()));
    let message = verdict.message();
    assert!(message.starts_with("spec.force, spec.source.key: "), "{message}");
    assert!(
        message.contains("never changes") && message.contains("create a new OpenBaoRestore"),
        "{message}"
    );
    assert_eq!(verdict.warnings.len(), 0);
}

#[test]
fn what_goes_or_stays_as_it_is_always_passes() {
    let bad = with(&restore(), "spec.cluster", json!(""));
    assert!(!judged(Restore, &with(&bad, "metadata.labels.a", json!("b")), Some(&bad)).is_refused());
    let going = with(&bad, "metadata.deletionTimestamp", json!("2026-03-20T03:00:00Z"));
    assert!(!judged(Restore, &going, Some(&restore())).is_refused());
}
