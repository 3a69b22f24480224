//! The four ways to tell.

use crate::support::{BAD, GOOD, check, folder};
use serde_json::{Value, json};

const ODD: &str = "a b,c%.yaml";

fn output(format: &str, more: &[&str]) -> (i32, String) {
    let files = folder(&[("good.yaml", GOOD), (ODD, BAD), ("broken.yaml", "a: [\n")]);
    let output = check(files.path(), &[&["--output", format][..], more, &["good.yaml", ODD]].concat(), "");
    (output.code, output.stdout)
}

#[test]
fn text_is_a_line_for_each_finding_with_field_and_fix() {
    let (code, text) = output("text", &[]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "a b,c%.yaml:13:5: error: spec.source.key: has the segment .. in it: give the full key without that [key]",
            "a b,c%.yaml:7:3: warning: spec.force: may go across seal keys, and onto an unhealthy or upgrading cluster [force]",
            "2 files: 2 objects judged, 1 refused, 1 with warnings; 0 of other kinds passed over",
        ]
    );
    let (_, text) = output("text", &["--warnings-as-errors"]);
    assert!(text.contains("7:3: error: spec.force: "), "{text}");
}

#[test]
fn json_has_every_object_with_its_verdict() {
    let (_, text) = output("json", &["broken.yaml"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let objects = report["objects"].as_array().unwrap();
    let verdicts: Vec<_> = objects.iter().map(|it| (&it["name"], &it["verdict"])).collect();
    assert_eq!(verdicts, [(&json!("good"), &json!("admitted")), (&json!("bad"), &json!("refused"))]);
    assert_eq!(objects[1]["kind"], "OpenBaoRestore");
    assert_eq!((&objects[1]["file"], &objects[1]["line"]), (&json!(ODD), &json!(4)));
    assert_eq!(
        objects[1]["findings"][0],
        json!({
            "rule": "key", "level": "error", "field": "spec.source.key", "reason": "FieldValueInvalid",
            "message": "has the segment .. in it: give the full key without that", "line": 13, "column": 5
        })
    );
    assert_eq!(report["unusable"][0]["file"], "broken.yaml");
}

/// Bug: code scanning refuses the whole upload, or shows a remark nowhere.
#[test]
fn sarif_has_what_code_scanning_needs() {
    let (code, text) = output("sarif", &["broken.yaml"]);
    assert_eq!(code, 2);
    let log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for (result, level) in results.iter().zip(["error", "warning"]) {
        assert_eq!(result["level"], level);
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b,c%25.yaml");
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
        assert!(result["message"]["text"].as_str().unwrap().starts_with("spec."));
    }
    assert!(rules.iter().all(|rule| rule["shortDescription"]["text"].is_string()));
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let notification = &invocation["toolExecutionNotifications"][0];
    assert!(notification["message"]["text"].as_str().unwrap().contains("is not YAML"));
}

/// Bug: a file's name ends the command early, and the remark is shown at no file.
#[test]
fn github_commands_are_escaped() {
    let (_, text) = output("github", &[]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "::error file=a b%2Cc%25.yaml,line=13,col=5,title=key::spec.source.key: has the segment .. in it: give the full key without that"
    );
    assert!(lines[1].starts_with("::warning file=a b%2Cc%25.yaml,line=7,col=3,title=force::"), "{text}");
}
