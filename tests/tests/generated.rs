//! What is generated and committed is what its source generates.

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds")
}

/// `UPDATE_GENERATED=1 cargo test -p tests --test generated` writes the files anew.
#[test]
fn the_committed_crds_are_those_of_the_types() {
    for (file, crd) in api::crds::all().unwrap() {
        let path = folder().join(file);
        let generated = serde_saphyr::to_string(&crd).unwrap();
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "{file} is not what the types generate: UPDATE_GENERATED=1 cargo test -p tests --test generated"
        );
    }
}

const RULES_BEGIN: &str = "<!-- rules: generated, see tests/tests/generated.rs -->\n";
const RULES_END: &str = "<!-- end of rules -->\n";

fn rule_table() -> String {
    let head = "| rule | looks at | what holds | else |\n|---|---|---|---|\n".to_owned();
    rules::RULES.iter().fold(head, |table, rule| {
        let consequence = match rule.weight {
            rules::Weight::Refuses => "refused",
            rules::Weight::Warns => "warning",
        };
        table + &format!("| `{}` | {} | {} | {consequence} |\n", rule.id, rule.looks_at(), rule.law)
    })
}

#[test]
fn the_rules_of_the_readme_are_those_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(RULES_BEGIN).unwrap();
    let (committed, after) = rest.split_once(RULES_END).unwrap();
    let generated = rule_table();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, format!("{before}{RULES_BEGIN}{generated}{RULES_END}{after}")).unwrap();
    } else {
        assert!(
            committed == generated,
            "the rules of the README are not those of the table: UPDATE_GENERATED=1 cargo test -p tests --test generated"
        );
    }
}

/// Client-side apply keeps the whole object in an annotation, and annotations end at 256 KiB.
#[test]
fn a_crd_can_be_applied_client_side() {
    for (file, crd) in api::crds::all().unwrap() {
        assert!(serde_json::to_vec(&crd).unwrap().len() < 256 * 1024, "{file}");
    }
}
