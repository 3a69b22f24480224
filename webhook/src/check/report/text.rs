//! `file:line:column: level: field: what and fix [rule]`, the form that editors jump by.

use super::{Object, Report};
use rules::Weight;

pub(super) fn render(report: &Report) -> String {
    let mut lines: Vec<String> = report
        .findings()
        .map(|(object, located)| {
            let (place, finding) = (located.place, &located.finding);
            let level = report.level(located.weight);
            format!("{}:{}:{}: {level}: {finding} [{}]", object.file, place.line, place.column, finding.rule)
        })
        .collect();
    lines.push(summary(report));
    lines.join("\n") + "\n"
}

/// What was judged and what was not, in one line.
pub(super) fn summary(report: &Report) -> String {
    let count = |weight: Weight| report.objects.iter().filter(|object| Object::has(object, weight)).count();
    let unread = match report.unread {
        0 => String::new(),
        unread => format!(", {unread} files that are no YAML and do not name {} not read", api::GROUP),
    };
    format!(
        "{} files: {} objects judged, {} refused, {} with warnings; {} of other kinds passed over{unread}",
        report.files,
        report.objects.len(),
        count(Weight::Refuses),
        count(Weight::Warns),
        report.passed_over
    )
}
