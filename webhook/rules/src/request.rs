//! What only a restore says: the snapshot, the break-glass flags, the deadline.

use crate::subject::Subject;
use crate::text::is_blank;
use crate::verdict::{CauseReason, Finding, refuse};

/// Hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// How backups end; a restore of anything else is legal and rarely meant.
const SNAPSHOT_SUFFIX: &str = ".snap";

/// The lock is overridden with force only.
pub(crate) fn break_glass(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(restore) = &subject.restore else { return Vec::new() };
    if restore.override_operation_lock && !restore.force {
        let message = "takes the lock from a running operation and needs force: set force to true as well, or leave \
                       it out and wait for the lock";
        return vec![refuse("spec.overrideOperationLock", CauseReason::Forbidden, message)];
    }
    if !restore.force {
        return Vec::new();
    }
    let mut warnings = vec![Finding::Warned(
        "force: the restore may go across seal keys and onto an unhealthy or upgrading cluster",
    )];
    if restore.source.sha256.is_none() {
        warnings
            .push(Finding::Warned("force without source.sha256: nothing pins which snapshot is restored"));
    }
    warnings
}

/// The key is one object's, without tricks.
pub(crate) fn key(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(restore) = &subject.restore else { return Vec::new() };
    let key = restore.source.key.as_str();
    let wrong = [
        (key.starts_with('/'), "starts with a slash, which no key of ours does: leave the slash out"),
        (
            key.split('/').any(|segment| segment == ".."),
            "has the segment .. in it: give the full key without it",
        ),
        (key.chars().any(char::is_control), "has control characters in it: give the key without them"),
    ];
    let mut found: Vec<Finding> = wrong
        .into_iter()
        .filter(|(is_wrong, _)| *is_wrong)
        .map(|(_, message)| refuse("spec.source.key", CauseReason::Invalid, message))
        .collect();
    if !is_blank(key) && !key.ends_with(SNAPSHOT_SUFFIX) {
        found.push(Finding::Warned("source.key does not end in .snap: make sure that it is a snapshot"));
    }
    found
}

/// A digest, where given, is a SHA-256.
pub(crate) fn digest(subject: &Subject<'_>) -> Vec<Finding> {
    let digest = subject.restore.as_ref().and_then(|restore| restore.source.sha256.as_deref());
    let Some(digest) = digest.filter(|digest| !is_blank(digest)) else { return Vec::new() };
    if digest.len() == SHA256_DIGITS && digest.chars().all(|c| c.is_ascii_hexdigit()) {
        return Vec::new();
    }
    let message =
        "is not a SHA-256: give its 64 hexadecimal digits, as sha256sum prints them, or leave it out";
    vec![refuse("spec.source.sha256", CauseReason::Invalid, message)]
}

/// The deadline lies ahead.
pub(crate) fn deadline(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(restore) = &subject.restore else { return Vec::new() };
    if restore.starting_deadline_seconds > 0 {
        return Vec::new();
    }
    let message =
        "is not positive, so that the restore could never start: give seconds, or leave it out for 3600";
    vec![refuse("spec.startingDeadlineSeconds", CauseReason::Invalid, message)]
}
