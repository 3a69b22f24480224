//! `webhook check` reads YAML as kubectl does: scalars that one of them takes for a truth value, a number or a text are
//! that to the other too.

use crate::support::{cluster, undisturbed};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

const SCALARS: [&str; 39] = [
    "true",
    "True",
    "TRUE",
    "yes",
    "Yes",
    "YES",
    "on",
    "On",
    "y",
    "Y",
    "no",
    "off",
    "n",
    "N",
    "false",
    "~",
    "null",
    "Null",
    "\"true\"",
    "'yes'",
    "60",
    "+60",
    "060",
    "0o74",
    "0x3c",
    "0b111100",
    "6e1",
    "60.0",
    "60.5",
    "1_000",
    "6:0",
    "'60'",
    "!!str 60",
    "!!int \"60\"",
    "2026-03-20",
    "a",
    "1.2.3",
    "0777a",
    "=",
];

/// Fields of each type, with a value put in.
const FIELDS: [&str; 3] = ["force", "startingDeadlineSeconds", "cluster"];

fn manifest(name: &str, field: &str, scalar: &str) -> String {
    let fields = [("cluster", "prod-cluster"), ("jwtAuthRole", "restore")].into_iter();
    let fields = fields.filter(|(name, _)| *name != field).chain([(field, scalar)]);
    let fields = fields.fold(String::new(), |text, (name, value)| text + &format!("  {name}: {value}\n"));
    format!(
        "apiVersion: openbao.org/v1alpha1\nkind: OpenBaoRestore\nmetadata: {{name: {name}}}\nspec:\n{fields}  source:\n    \
         key: a.snap\n    target: {{bucket: backups}}\n"
    )
}

#[tokio::test]
async fn scalars_mean_the_same_to_kubectl_and_to_check() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("yaml");
    let mut stream = String::new();
    let mut all = Vec::new();
    for field in FIELDS {
        for (n, scalar) in SCALARS.iter().enumerate() {
            let name = format!("{}-{n}", field.to_lowercase());
            write!(stream, "---\n{}", manifest(&name, field, scalar)).unwrap();
            all.push((name, field, scalar));
        }
    }
    let arguments = ["create", "--dry-run=server", "-n", &namespace, "-o", "name", "-f", "-"];
    let theirs = cluster().kubectl(&arguments, Some(&stream));
    let admitted: Vec<&str> =
        theirs.stdout.lines().filter_map(|line| Some(line.split_once('/')?.1)).collect();

    let webhook = tests::cluster::built(Path::new(env!("CARGO_BIN_EXE_cluster")), "webhook").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &stream).unwrap();
    let output = std::process::Command::new(webhook)
        .args(["check", "--output=json"])
        .arg(file.path())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let objects = report["objects"].as_array().unwrap();
    assert_eq!(objects.len(), all.len(), "{}", report["unusable"]);
    for (object, (name, field, scalar)) in objects.iter().zip(&all) {
        let theirs = admitted.contains(&name.as_str());
        assert_eq!(object["verdict"] == "admitted", theirs, "{field}: {scalar}: {object}");
    }
    println!("{} of {} admitted by both", admitted.len(), all.len());
    assert!(admitted.len() > 20 && all.len() - admitted.len() > 20);
}
