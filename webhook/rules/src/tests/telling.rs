//! How findings are told.

use super::{cluster, judged, restore, with};
use crate::Kind::{Cluster, Restore};
use crate::{RULES, Reason, Verdict, Weight};
use serde_json::json;

#[test]
fn good_objects_pass_without_a_word() {
    for (kind, object) in [(Restore, restore()), (Cluster, cluster())] {
        assert_eq!(judged(kind, &object, None), Verdict::default(), "{kind:?}");
    }
}

#[test]
fn the_names_of_rules_are_their_own_and_their_laws_are_told() {
    for (n, rule) in RULES.iter().enumerate() {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(rule.id.chars().all(plain), "{}", rule.id);
        assert!(RULES[..n].iter().all(|other| other.id != rule.id), "{} is there twice", rule.id);
        assert!(rule.law.len() > 15 && !rule.law.contains('|'), "{}", rule.id);
    }
}

/// Bug: a user mends one mistake at a time, or a tool that shows `message` only shows nothing.
#[test]
fn everything_wrong_comes_back_at_once_and_as_one_text() {
    let bad = with(&restore(), "spec.source.target.credentialsSecretRef.namespace", json!("payments"));
    let bad = with(&with(&bad, "spec.jwtAuthRole", json!(null)), "spec.overrideOperationLock", json!(true));
    let verdict = judged(Restore, &bad, None);
    let rules: Vec<_> = verdict.violations.iter().map(|found| found.rule).collect();
    assert_eq!(rules, ["break-glass", "secret-namespace", "authentication"]);
    for found in &verdict.violations {
        assert!(verdict.message().contains(&found.to_string()), "{found:?}");
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
    assert!(verdict.warnings.is_empty());
}

/// Longer ones are cut by the API server, and kubectl shows one a line.
#[test]
fn a_warning_is_one_short_line() {
    let target = "spec.source.target";
    let risky = [
        ("spec.force", json!(true)),
        ("spec.source.sha256", json!(null)),
        ("spec.source.key", json!("security/other/2026-03-20T03-00-00Z-00abcdef.snap")),
        ("spec.tokenSecretRef", json!({"name": "token"})),
        (&format!("{target}.insecureSkipVerify"), json!(true)),
        (&format!("{target}.endpoint"), json!("http://minio.storage.svc:9000")),
    ];
    let risky = risky.into_iter().fold(restore(), |object, (path, value)| with(&object, path, value));
    let never = with(&cluster(), "spec.backup.schedule", json!("0 0 31 2 *"));
    let never = with(&never, "spec.replicas", json!(3));
    let odd = with(&restore(), "spec.source.key", json!("backup.tar.gz"));
    let verdicts =
        [judged(Restore, &risky, None), judged(Restore, &odd, None), judged(Cluster, &never, None)];
    let mut told = Vec::new();
    for warning in verdicts.iter().flat_map(|verdict| &verdict.warnings) {
        let text = warning.to_string();
        assert!(text.is_ascii() && text.len() <= 120, "{text}");
        assert_eq!(warning.reason, Reason::Risky);
        told.push(warning.rule);
    }
    let warning_rules = RULES.iter().filter(|rule| rule.weight == Weight::Warns);
    for rule in warning_rules {
        assert!(told.contains(&rule.id), "{} was not seen", rule.id);
    }
    assert!(verdicts.iter().all(|verdict| !verdict.is_refused()));
}
