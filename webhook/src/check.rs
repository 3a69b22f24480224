//! `webhook check`: the verdicts of admission for files, without a cluster.

pub(crate) mod args;
mod input;
mod judge;
mod manifest;
mod node;
mod report;

use args::CheckArgs;
use judge::Judge;
use manifest::Manifest;
use report::Report;
use std::io::Write as _;
use std::process::ExitCode;

/// Something that was refused.
const REFUSED: u8 = 1;
/// Something that nobody could judge.
const UNUSABLE: u8 = 2;

/// For what looks like a template.
const TEMPLATE: &str = "; a template has to be rendered first: helm template ... | webhook check -";

/// Something that could not be judged, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {why}")]
pub(crate) struct Unusable {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) why: String,
}

/// Judges, reports, and says how it went.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let report = report(args);
    let written = std::io::stdout().write_all(report.render(args.output).as_bytes());
    if let Err(error) = written {
        eprintln!("the report cannot be written: {error}");
        return UNUSABLE.into();
    }
    for unusable in &report.unusable {
        eprintln!("{unusable}");
    }
    if !report.unusable.is_empty() {
        UNUSABLE.into()
    } else if report.has_errors() {
        REFUSED.into()
    } else {
        ExitCode::SUCCESS
    }
}

fn report(args: &CheckArgs) -> Report {
    let mut report = Report { warnings_as_errors: args.warnings_as_errors, ..Report::default() };
    report.unusable.extend(input::stdin_twice(&[&args.old, &args.files]));
    let old = manifests(&args.old, &mut Report::default(), &mut report.unusable);
    let mut unusable = Vec::new();
    let new = manifests(&args.files, &mut report, &mut unusable);
    report.unusable.append(&mut unusable);
    let judge = Judge::new(args, &old, &mut report.unusable);
    report.objects = new.into_iter().map(|manifest| judge.judge(manifest)).collect();
    report
}

/// Our objects in files; what else there is is counted.
fn manifests(
    paths: &[std::path::PathBuf],
    counts: &mut Report,
    unusable: &mut Vec<Unusable>,
) -> Vec<Manifest> {
    let mut found = Vec::new();
    for text in input::texts(paths, unusable) {
        counts.files += 1;
        match node::documents(&text.content) {
            Ok(documents) => {
                for document in documents {
                    counts.passed_over += manifest::collect(&text.name, document, &mut found, unusable);
                }
            }
            Err(_) if text.may_be_other() => counts.unread += 1,
            Err(error) => {
                let hint = if text.content.contains("{{") { TEMPLATE } else { "" };
                let why = format!("{error}{hint}");
                unusable.push(Unusable { file: text.name, line: error.line, why });
            }
        }
    }
    found
}
