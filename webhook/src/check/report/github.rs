//! Workflow commands of GitHub Actions: each becomes a remark beside its line.

use super::{Report, text};

pub(super) fn render(report: &Report) -> String {
    let findings = report.findings().map(|(object, located)| {
        let (place, finding) = (located.place, &located.finding);
        let level = report.level(located.weight);
        command(level, &object.file, place.line, place.column, finding.rule, &finding.to_string())
    });
    let unusable =
        report.unusable.iter().map(|it| command("error", &it.file, it.line, 1, "unusable", &it.why));
    let lines: Vec<String> = unusable.chain(findings).chain([text::summary(report)]).collect();
    lines.join("\n") + "\n"
}

fn command(level: &str, file: &str, line: u64, column: u64, title: &str, message: &str) -> String {
    let (file, message) = (property(file), data(message));
    format!("::{level} file={file},line={line},col={column},title={title}::{message}")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
