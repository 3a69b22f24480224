//! What only a restore says: the snapshot, the break-glass flags, the deadline.

use crate::look::Request;
use crate::text::{is_blank, shown};
use crate::verdict::{Found, Reason, found, found_if};

/// Hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// 1024 bytes: longest key of all three providers.
pub(crate) const KEY_BYTES: usize = 1024;

/// How backups end; a restore of anything else is legal and rarely meant.
const SNAPSHOT_SUFFIX: &str = ".snap";

/// The last segment of a backup's key; 0 stands for a digit, f for a hexadecimal one.
const BACKUP_NAME: &[u8] = b"0000-00-00T00-00-00Z-ffffffff.snap";

/// The lock is overridden with force only.
pub(crate) fn break_glass(request: &Request<'_>) -> Vec<Found> {
    let message = "takes the lock from a running operation and needs force: set force to true as well, or leave it \
                   out and wait for the lock";
    let alone = request.spec.override_operation_lock && !request.spec.force;
    found_if(alone, "overrideOperationLock", Reason::Forbidden, message)
}

pub(crate) fn force(request: &Request<'_>) -> Vec<Found> {
    let message = "may go across seal keys, and onto an unhealthy or upgrading cluster";
    found_if(request.spec.force, "force", Reason::Risky, message)
}

pub(crate) fn unpinned_force(request: &Request<'_>) -> Vec<Found> {
    let unpinned = request.spec.force && request.spec.source.sha256.is_none();
    let message = "missing beside force: nothing pins which snapshot is restored";
    found_if(unpinned, "source.sha256", Reason::Risky, message)
}

/// The key is one object's, without tricks.
pub(crate) fn key(request: &Request<'_>) -> Vec<Found> {
    let key = request.spec.source.key.as_str();
    if is_blank(key) {
        let message = "is required: give the full object key of the snapshot";
        return vec![found("source.key", Reason::Required, message)];
    }
    tricks(key)
        .into_iter()
        .map(|trick| found("source.key", Reason::Invalid, format!("{trick}: give the full key without that")))
        .collect()
}

/// What no key of an object that can be addressed by its path has.
pub(crate) fn tricks(key: &str) -> Vec<&'static str> {
    let segments = || key.split('/');
    let inner = || key.trim_start_matches('/');
    [
        (key.starts_with('/'), "starts with a slash"),
        (inner().split('/').any(str::is_empty), "has an empty segment (two slashes, or one at its end)"),
        (segments().any(|segment| segment == ".."), "has the segment .. in it"),
        (segments().any(|segment| segment == "."), "has the segment . in it"),
        (key.chars().any(char::is_control), "has control characters in it"),
        (key.len() > KEY_BYTES, "is longer than 1024 bytes"),
    ]
    .into_iter()
    .filter_map(|(is_so, what)| is_so.then_some(what))
    .collect()
}

pub(crate) fn suffix(request: &Request<'_>) -> Vec<Found> {
    let key = request.spec.source.key.as_str();
    let message = "does not end in .snap: make sure that it is a snapshot";
    found_if(!is_blank(key) && !key.ends_with(SNAPSHOT_SUFFIX), "source.key", Reason::Risky, message)
}

/// A key of the form that backups have, `<prefix>/<namespace>/<cluster>/<time>-<chance>.snap`, under another cluster's
/// name. A clone means just that, a slip of the hand does not.
pub(crate) fn foreign(request: &Request<'_>) -> Vec<Found> {
    let mut segments = request.spec.source.key.rsplit('/');
    let (Some(name), Some(cluster), Some(namespace)) = (segments.next(), segments.next(), segments.next())
    else {
        return Vec::new();
    };
    let own = namespace == request.namespace && cluster == request.spec.cluster;
    let (cluster, namespace) = (shown(cluster, 30), shown(namespace, 30));
    let message = format_args!("is a backup of cluster {cluster} in namespace {namespace}");
    found_if(is_backup(name) && !own, "source.key", Reason::Risky, message)
}

fn is_backup(name: &str) -> bool {
    let fits = |(byte, form): (u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'f' => byte.is_ascii_hexdigit(),
        form => byte == *form,
    };
    name.len() == BACKUP_NAME.len() && name.bytes().zip(BACKUP_NAME).all(fits)
}

/// A digest, where given, is a SHA-256.
pub(crate) fn sha256(request: &Request<'_>) -> Vec<Found> {
    let Some(digest) = request.spec.source.sha256.as_deref().filter(|digest| !is_blank(digest)) else {
        return Vec::new();
    };
    let is_sha256 = digest.len() == SHA256_DIGITS && digest.chars().all(|c| c.is_ascii_hexdigit());
    let message =
        "is not a SHA-256: give its 64 hexadecimal digits, as sha256sum prints them, or leave it out";
    found_if(!is_sha256, "source.sha256", Reason::Invalid, message)
}

/// The deadline lies ahead.
pub(crate) fn deadline(request: &Request<'_>) -> Vec<Found> {
    let message =
        "is not positive, so that the restore could never start: give seconds, or leave it out for 3600";
    found_if(request.spec.starting_deadline_seconds <= 0, "startingDeadlineSeconds", Reason::Invalid, message)
}
