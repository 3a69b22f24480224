//! The Task of this pod, and who does it.

use crate::report::{problem, refused};
use crate::storage;
use crate::transfer::{Pace, TransferError, verify};
use api::StorageTarget;
use api::conditions::{ConditionType, Reason};
use api::task::{Outcome, Pinned, Problem, Report, StageFinding, Task, TaskKind};
use std::path::Path;
use std::sync::Arc;

/// Most ranges in flight: what admission allows.
const MOST_IN_FLIGHT: i64 = 64;

/// Does the Task; says how it ended.
pub(crate) async fn run(text: &str, storage_credentials: &Path) -> Report {
    let task = match Task::parse(text) {
        Ok(task) => task,
        Err(error) => {
            let message = format!("The executor did nothing, since its Task cannot be followed: {error}.");
            return refused(vec![problem(Reason::NotApplied, None, message)]);
        }
    };
    tracing::info!(kind = ?task.kind, request = task.request.uid, key = task.key, "the Task begins");
    match task.kind {
        TaskKind::Check => check(&task, storage_credentials).await,
        TaskKind::Restore | TaskKind::Prove | TaskKind::Backup => {
            let message = format!(
                "This release of the executor does not do a Task of kind {:?}; nothing was done. Use the image of the operator's own release.",
                task.kind
            );
            refused(vec![problem(Reason::NotApplied, None, message)])
        }
    }
}

/// Looks at everything, changes nothing.
async fn check(task: &Task, storage_credentials: &Path) -> Report {
    match snapshot(task, storage_credentials).await {
        Ok((pinned, found)) => Report {
            outcome: Outcome::Done,
            stages: vec![stage(true, Reason::Verified, found)],
            pinned: Some(pinned),
            ..refused(Vec::new())
        },
        Err(Unusable { problem, outcome, pinned }) => {
            let stages = vec![stage(false, Reason::CheckFailed, problem.message.clone())];
            Report { outcome, stages, pinned, ..refused(vec![problem]) }
        }
    }
}

/// Why the snapshot cannot be used.
struct Unusable {
    problem: Problem,
    outcome: Outcome,
    pinned: Option<Pinned>,
}

/// Reads every byte of the snapshot; gives what it is, and what was found in words.
async fn snapshot(task: &Task, storage_credentials: &Path) -> Result<(Pinned, String), Unusable> {
    let store = storage::open(&task.target, storage_credentials).map_err(|error| Unusable {
        problem: problem(
            Reason::CheckFailed,
            Some(&format!("spec.source.target.{}", error.field())),
            error.to_string(),
        ),
        outcome: Outcome::Refused,
        pinned: None,
    })?;
    let unusable = |error: &TransferError, pinned| Unusable {
        problem: problem(
            Reason::CheckFailed,
            Some(&format!("spec.source.{}", error.field())),
            error.to_string(),
        ),
        outcome: if error.is_passing() { Outcome::Failed } else { Outcome::Refused },
        pinned,
    };
    let (pinned, summary) = verify(Arc::new(store), &task.key, pace(&task.target))
        .await
        .map_err(|error| unusable(&error, None))?;
    if let Some(expected) =
        task.sha256.as_ref().filter(|expected| !expected.eq_ignore_ascii_case(&pinned.sha256))
    {
        let error = TransferError::OtherDigest { expected: expected.clone(), found: pinned.sha256.clone() };
        return Err(unusable(&error, Some(pinned)));
    }
    let version = summary.newest_version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
    let found = format!(
        "Every byte is in order: {} bytes with {} records up to raft index {}, of OpenBao {version} with seal {}.",
        summary.object_size, summary.records, summary.index, summary.seal.kind
    );
    Ok((pinned, found))
}

fn stage(holds: bool, reason: Reason, message: String) -> StageFinding {
    StageFinding { stage: ConditionType::SnapshotVerified, holds: Some(holds), reason, message }
}

fn pace(target: &StorageTarget) -> Pace {
    Pace {
        part: u64::try_from(target.part_size).unwrap_or_default().max(1),
        concurrency: usize::try_from(target.concurrency.clamp(1, MOST_IN_FLIGHT)).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests;
