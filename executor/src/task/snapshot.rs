//! The object of the Task: read to its last byte, and held against what is asked for.

use crate::args::Args;
use crate::dial::Guard;
use crate::progress::Progress;
use crate::report::Findings;
use crate::storage;
use crate::transfer::{Pace, TransferError, verify};
use api::StorageTarget;
use api::conditions::{ConditionType, Reason};
use api::task::{Pinned, Task};
use archive::Summary;
use std::io::Write;
use std::sync::Arc;

/// Most ranges in flight: what admission allows.
const MOST_IN_FLIGHT: i64 = 64;

/// Reads the object, also into `copy`; what was found is in the findings, and the summary if it is what was asked for.
pub(super) async fn read(
    task: &Task,
    args: &Args,
    progress: &Progress,
    copy: impl Write,
) -> (Findings, Option<Summary>) {
    let stage = ConditionType::SnapshotVerified;
    let store = match storage::open(&task.target, &args.mounts.join("storage"), &Guard::of(args)) {
        Ok(store) => store,
        Err(error) => return (Findings::of(task, stage, &error), None),
    };
    let (pinned, summary) = match verify(Arc::new(store), &task.key, pace(&task.target), progress, copy).await
    {
        Ok(read) => read,
        Err(error) => return (Findings::of(task, stage, &error), None),
    };
    let mut findings = Findings::default();
    if let Err(error) = compare(task, &pinned) {
        findings.join(Findings::of(task, stage, &error));
        findings.pinned = Some(pinned);
        return (findings, None);
    }
    findings.stage(stage, Some(true), Reason::Verified, told(&summary));
    findings.pinned = Some(pinned);
    (findings, Some(summary))
}

/// Against the hash that the request gives, and against what the check saw.
fn compare(task: &Task, found: &Pinned) -> Result<(), TransferError> {
    let wrong = |expected: &&String| !expected.eq_ignore_ascii_case(&found.sha256);
    if let Some(expected) = task.sha256.as_ref().filter(wrong) {
        return Err(TransferError::OtherDigest { expected: expected.clone(), found: found.sha256.clone() });
    }
    let changed = |checked: &&Pinned| *checked != found;
    match task.pinned.as_ref().filter(changed) {
        Some(checked) => Err(TransferError::OtherObject {
            found: Box::new(found.clone()),
            checked: Box::new(checked.clone()),
        }),
        None => Ok(()),
    }
}

fn told(summary: &Summary) -> String {
    let version = summary.newest_version.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    format!(
        "Every byte is in order: {} bytes with {} records up to raft index {}, of OpenBao {version} with seal {}.",
        summary.object_size, summary.records, summary.index, summary.seal.kind
    )
}

pub(super) fn pace(target: &StorageTarget) -> Pace {
    Pace {
        part: u64::try_from(target.part_size).unwrap_or_default().max(1),
        concurrency: usize::try_from(target.concurrency.clamp(1, MOST_IN_FLIGHT)).unwrap_or(1),
    }
}
