//! The object store: which one, where in it, and within which limits.

use crate::subject::{Access, Subject};
use crate::text::{is_blank, shown};
use crate::verdict::{CauseReason, Finding, refuse};
use std::ops::RangeInclusive;

const PROVIDERS: [&str; 3] = ["s3", "gcs", "azure"];

/// 5 MiB: S3 takes no smaller part of a multipart upload, but for the last.
const LEAST_PART_BYTES: i64 = 5 * 1024 * 1024;

/// Parts in flight.
const CONCURRENCY: RangeInclusive<i64> = 1..=64;

/// A store that is known, and a bucket or container in it.
pub(crate) fn place(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(access) = subject.access() else { return Vec::new() };
    provider(&access).into_iter().chain(bucket(&access)).collect()
}

fn provider(Access { target, target_path, .. }: &Access<'_>) -> Option<Finding> {
    let provider = target.provider.as_str();
    if PROVIDERS.contains(&provider) || is_blank(provider) {
        return None;
    }
    let message = format!("{} is no object store that is supported: use s3, gcs or azure", shown(provider));
    Some(refuse(format!("{target_path}.provider"), CauseReason::NotSupported, message))
}

fn bucket(Access { target, target_path, .. }: &Access<'_>) -> Option<Finding> {
    let given = |name: Option<&String>| name.is_some_and(|name| !is_blank(name));
    let container = target.azure.as_ref().and_then(|azure| azure.container.as_ref());
    let azure = target.provider == "azure";
    if given(target.bucket.as_ref()) || azure && given(container) {
        return None;
    }
    Some(if azure {
        let message = "is required: name the container that holds the snapshots";
        refuse(format!("{target_path}.azure.container"), CauseReason::Required, message)
    } else {
        let message = "is required: name the bucket that holds the snapshots";
        refuse(format!("{target_path}.bucket"), CauseReason::Required, message)
    })
}

/// Parts are neither too small for the store nor too many for the memory of a Job.
pub(crate) fn limits(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(Access { target, target_path, .. }) = subject.access() else { return Vec::new() };
    let mut found = Vec::new();
    if target.part_size < LEAST_PART_BYTES {
        let message = "is smaller than 5 MiB, which S3 refuses: give at least 5242880 bytes, or leave it out";
        found.push(refuse(format!("{target_path}.partSize"), CauseReason::Invalid, message));
    }
    if !CONCURRENCY.contains(&target.concurrency) {
        let message =
            "is not within 1 and 64: give a number of parts in flight between them, or leave it out";
        found.push(refuse(format!("{target_path}.concurrency"), CauseReason::Invalid, message));
    }
    found
}

/// A store whose certificate nobody verifies.
pub(crate) fn certificate(subject: &Subject<'_>) -> Vec<Finding> {
    let unverified = subject.access().is_some_and(|access| access.target.insecure_skip_verify);
    let warning =
        "insecureSkipVerify: anyone on the way can read credentials and snapshots, and replace them";
    unverified.then_some(Finding::Warned(warning)).into_iter().collect()
}
