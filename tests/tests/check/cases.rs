//! The cases of admission at the two doors that need no cluster: the rules themselves, and `webhook check`. The third,
//! the API server, is held to the same cases by `admission/cases.rs`.

use crate::support::check;
use rules::RULES;
use serde_json::Value;
use std::path::Path;
use tests::cluster::STORAGE_NETWORKS;
use tests::corpus::{Case, cases};

/// A rule without a case that it finds fault with could be dead, one without a case that it passes could refuse
/// everything.
#[test]
fn each_rule_has_a_case_that_it_finds_and_one_that_it_passes() {
    let cases = cases();
    println!("{} cases of {} rules", cases.len(), RULES.len());
    assert!(cases.len() >= 200);
    for rule in RULES {
        let about: Vec<&Case> = cases.iter().filter(|case| case.rule == rule.id).collect();
        let finds = |case: &&Case| case.findings.iter().any(|(found, _)| found == rule.id);
        assert!(about.iter().any(finds), "{}.yaml has no case that the rule finds", rule.id);
        assert!(
            about.iter().any(|case| !finds(case) && !case.refused),
            "{}.yaml has no case that passes",
            rule.id
        );
    }
    for case in &cases {
        assert!(RULES.iter().any(|rule| rule.id == case.rule), "{}.yaml is of no rule", case.rule);
    }
}

#[test]
fn the_rules_say_what_each_case_says() {
    for case in cases() {
        let verdict = case.judged();
        let found = verdict.violations.iter().chain(&verdict.warnings);
        let mut found: Vec<_> = found.map(|it| (it.rule.to_owned(), it.field.clone())).collect();
        found.sort();
        assert_eq!(found, case.findings, "{}: {verdict:?}", case.title);
        assert_eq!(verdict.is_refused(), case.refused, "{}", case.title);
    }
}

/// Writes one object a file, and the old ones apart.
fn write(cases: &[Case], new: &Path, old: &Path) {
    for folder in [new, old] {
        std::fs::create_dir(folder).unwrap();
    }
    for case in cases {
        let file = format!("{}.yaml", case.object);
        std::fs::write(new.join(&file), serde_saphyr::to_string(&case.new).unwrap()).unwrap();
        if let Some(object) = &case.old {
            std::fs::write(old.join(&file), serde_saphyr::to_string(object).unwrap()).unwrap();
        }
    }
}

#[test]
fn webhook_check_says_what_each_case_says_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let (new, old) = (folder.path().join("new"), folder.path().join("old"));
    let cases = cases();
    write(&cases, &new, &old);
    let flags = ["--output=json", "--storage-allow-cidrs", STORAGE_NETWORKS, "--old", "old", "new"];
    let output = check(folder.path(), &flags, "");
    assert_eq!(output.code, 1, "{}", output.stderr);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let objects = report["objects"].as_array().unwrap();
    assert_eq!(objects.len(), cases.len());
    for case in cases {
        let object = objects.iter().find(|object| object["name"] == case.object.as_str()).unwrap();
        let findings = object["findings"].as_array().unwrap();
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
        let mut found: Vec<_> = findings.iter().map(|it| (text(it, "rule"), text(it, "field"))).collect();
        found.sort();
        assert_eq!(found, case.findings, "{}: {object:#}", case.title);
        let verdict = if case.refused { "refused" } else { "admitted" };
        assert_eq!(object["verdict"], verdict, "{}", case.title);
        let manifest = std::fs::read_to_string(folder.path().join(object["file"].as_str().unwrap())).unwrap();
        for finding in findings {
            assert_stands_there(&case, finding, &manifest);
        }
    }
}

/// The line of a finding names its field, or where that is missing the one that it is missing in.
fn assert_stands_there(case: &Case, finding: &Value, manifest: &str) {
    let line = usize::try_from(finding["line"].as_u64().unwrap()).unwrap();
    let line = manifest.lines().nth(line - 1).unwrap_or_default();
    let mut field = finding["field"].as_str().unwrap();
    while case.new.pointer(&pointer(field)).is_none() {
        field = field.rsplit_once('.').unwrap().0;
    }
    let name = field.rsplit('.').next().unwrap();
    let name = if name.ends_with(']') { "- " } else { name };
    assert!(line.trim_start().starts_with(name), "{}: {finding} is said to stand in {line:?}", case.title);
}

fn pointer(field: &str) -> String {
    format!("/{}", field.replace('[', ".").replace(']', "").replace('.', "/"))
}
