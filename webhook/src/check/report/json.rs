//! Every object with its verdict, as JSON.

use super::{Located, Object, Report};
use serde_json::{Value, json};

pub(super) fn render(report: &Report) -> String {
    let unusable = |it: &super::Unusable| json!({"file": it.file, "line": it.line, "message": it.why});
    let whole = json!({
        "files": report.files,
        "passedOver": report.passed_over,
        "unread": report.unread,
        "objects": report.objects.iter().map(|it| object(report, it)).collect::<Vec<_>>(),
        "unusable": report.unusable.iter().map(unusable).collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn object(report: &Report, object: &Object) -> Value {
    json!({
        "file": object.file,
        "line": object.place.line,
        "kind": object.identity.kind.name(),
        "namespace": object.identity.namespace,
        "name": object.identity.name,
        "verdict": object.verdict(),
        "findings": object.findings.iter().map(|it| finding(report, it)).collect::<Vec<_>>(),
    })
}

fn finding(report: &Report, located: &Located) -> Value {
    json!({
        "rule": located.finding.rule,
        "level": report.level(located.weight),
        "field": located.finding.field,
        "reason": located.finding.reason.as_str(),
        "message": located.finding.message,
        "line": located.place.line,
        "column": located.place.column,
    })
}
