//! A review from its text to the text of its answer, without a server around it.

use crate::REVIEW;
use crate::product::review::{Door, Settings, answer};
use crate::settings::settings;
use std::hint::black_box;
use std::process::Command;

/// Argument with which this program judges so many reviews and does nothing else.
const JUDGE: &str = "--judge=";
/// Reviews by which two counted runs differ.
const COUNTED: u64 = 100;

pub(crate) fn asked_for(arguments: &[String]) -> Option<u64> {
    arguments.iter().find_map(|argument| argument.strip_prefix(JUDGE)?.parse().ok())
}

pub(crate) fn judge(count: u64) {
    let settings = settings();
    for _ in 0..count {
        one(&settings);
    }
}

fn one(settings: &Settings) {
    let answer = answer(Door::Validate, black_box(REVIEW.as_bytes()), settings).unwrap();
    assert!(!answer.verdict.is_refused());
    black_box(serde_json::to_vec(&answer.review).unwrap());
}

/// Of one review, after a first one that fills what is kept.
pub(crate) fn allocations() -> u64 {
    let settings = settings();
    one(&settings);
    allocation_counter::measure(|| one(&settings)).count_total
}

/// Of one review, or why they are not known.
pub(crate) fn instructions() -> String {
    let counted = |count| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().unwrap())
            .arg(format!("{JUDGE}{count}"))
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find_map(|line| line.split_once("Collected : "))?;
        line.1.trim().parse::<u64>().ok()
    };
    match (counted(COUNTED), counted(2 * COUNTED)) {
        (Some(few), Some(more)) => ((more - few) / COUNTED).to_string(),
        _ => "not counted: no valgrind".to_owned(),
    }
}
