//! SARIF 2.1.0, which code scanning reads.

use super::{Located, Object, Report, text};
use rules::{RULES, Rule};
use serde_json::{Value, json};
use std::path::Path;
use url::Url;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub(super) fn render(report: &Report) -> String {
    let rule = |rule: &Rule| json!({"id": rule.id, "shortDescription": {"text": rule.law}});
    let driver = json!({
        "name": "openbao-recovery",
        "version": env!("CARGO_PKG_VERSION"),
        "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
    });
    let notification = |it: &super::Unusable| {
        json!({
            "level": "error",
            "message": {"text": it.why},
            "locations": [location(&it.file, it.line, 1)],
        })
    };
    let invocation = json!({
        "executionSuccessful": report.unusable.is_empty(),
        "toolExecutionNotifications": report.unusable.iter().map(notification).collect::<Vec<_>>(),
    });
    let whole = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "invocations": [invocation],
            "results": report.findings().map(|(object, it)| result(report, object, it)).collect::<Vec<_>>(),
            "properties": {"summary": text::summary(report)},
        }],
    });
    format!("{whole:#}\n")
}

fn result(report: &Report, object: &Object, located: &Located) -> Value {
    let mut location = location(&object.file, located.place.line, located.place.column);
    let name = format!("{} {}", object.identity, located.finding.field);
    location["logicalLocations"] = json!([{"fullyQualifiedName": name}]);
    json!({
        "ruleId": located.finding.rule,
        "ruleIndex": RULES.iter().position(|rule| rule.id == located.finding.rule),
        "level": report.level(located.weight),
        "message": {"text": located.finding.to_string()},
        "locations": [location],
    })
}

fn location(file: &str, line: u64, column: u64) -> Value {
    json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(file)},
            "region": {"startLine": line, "startColumn": column},
        }
    })
}

/// The path as a relative reference: blanks and the like are percent-encoded.
fn uri(file: &str) -> String {
    let rooted = Path::new("/").join(file.trim_start_matches("./"));
    let encoded = Url::from_file_path(rooted).map_or_else(|()| file.to_owned(), |url| url.path().to_owned());
    if file.starts_with('/') { encoded } else { encoded.trim_start_matches('/').to_owned() }
}
