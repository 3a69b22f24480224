//! Which backups go after a good one: what the limits do not keep, but never the newest, never what is protected, never
//! most of them at once, and nothing at all where the listing looks wrong.

use api::task::{BackupOrder, Keep};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What an upload leaves may still become a backup until it is this old.
const LEFTOVER: SignedDuration = SignedDuration::from_hours(24);
/// A backup that begins later than this was named by a clock that nobody can trust.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// Behind the key of a snapshot: its manifest.
const MANIFEST: &str = ".json";

/// An object as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its full key.
    pub key: String,
    /// When it was last written, by the store's clock.
    pub modified: Timestamp,
}

/// What is to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Keys of backups, the oldest first; the manifest of each goes before its object.
    pub backups: Vec<String>,
    /// Keys of single objects that never became a backup, or are what is left of one.
    pub leftovers: Vec<String>,
    /// What a reader should know: why less goes than the policy says, or why so much.
    pub remark: Option<String>,
}

/// A snapshot, its manifest, or both.
struct Entry<'a> {
    key: &'a str,
    began: Timestamp,
    object: Option<Timestamp>,
    manifest: Option<Timestamp>,
}

impl Entry<'_> {
    const fn is_backup(&self) -> bool {
        self.object.is_some() && self.manifest.is_some()
    }

    const fn lacks_manifest(&self) -> bool {
        self.object.is_some() && self.manifest.is_none()
    }
}

/// Decides after the backup `made`, over everything that is listed. `began` says of a key of this cluster's snapshots
/// when it began, and nothing of any other.
pub fn decide(
    listed: &[Listed],
    began: impl Fn(&str) -> Option<Timestamp>,
    order: &BackupOrder,
    made: &str,
    now: Timestamp,
) -> Decision {
    let entries = entries(listed, began);
    if let Some(oddity) = oddity(&entries, made, now) {
        let remark = Some(format!("Nothing was deleted, since the listing looks wrong: {oddity}."));
        return Decision { remark, ..Decision::default() };
    }
    if order.protected.iter().any(|protected| protected.ends_with('/')) {
        let remark =
            "Nothing was deleted, since restores that have not ended name more backups than can be listed.";
        return Decision { remark: Some(remark.to_owned()), ..Decision::default() };
    }
    let is_protected = |key: &str| order.protected.iter().any(|protected| protected == key);
    // What lies there since before our first manifest was made by somebody who writes none.
    let first = entries.iter().filter(|entry| entry.manifest.is_some()).map(|entry| entry.began).min();
    let is_ours = |entry: &&Entry<'_>| Some(entry.began) >= first && !is_protected(entry.key);
    let leftovers = entries.iter().filter(|entry| is_leftover(entry, now)).filter(is_ours);
    let leftovers = leftovers.map(single).collect();
    let Some(keep) = &order.keep else { return Decision { leftovers, ..Decision::default() } };
    let mut backups: Vec<&Entry<'_>> = entries.iter().filter(|entry| entry.is_backup()).collect();
    backups.sort_by_key(|entry| (entry.began, entry.key));
    let due: Vec<&str> = due(&backups, keep, now).filter(|key| *key != made && !is_protected(key)).collect();
    let (count, remark) = at_once(due.len(), backups.len(), keep.tightened);
    let backups = due.into_iter().take(count).map(str::to_owned).collect();
    Decision { backups, leftovers, remark }
}

/// Everything of this cluster, by the key of the snapshot.
fn entries<'a>(listed: &'a [Listed], began: impl Fn(&str) -> Option<Timestamp>) -> Vec<Entry<'a>> {
    let mut entries: BTreeMap<&str, Entry<'a>> = BTreeMap::new();
    for one in listed {
        let (key, is_manifest) = match one.key.strip_suffix(MANIFEST) {
            Some(key) => (key, true),
            None => (one.key.as_str(), false),
        };
        let Some(began) = began(key) else { continue };
        let entry = entries.entry(key).or_insert(Entry { key, began, object: None, manifest: None });
        *(if is_manifest { &mut entry.manifest } else { &mut entry.object }) = Some(one.modified);
    }
    entries.into_values().collect()
}

/// Why nothing may be deleted by this listing.
fn oddity(entries: &[Entry<'_>], made: &str, now: Timestamp) -> Option<String> {
    if !entries.iter().any(|entry| entry.key == made && entry.is_backup()) {
        return Some(format!("it lacks the backup that was just made, {made}"));
    }
    let good = entries.iter().filter(|entry| entry.is_backup()).count();
    let bare = entries.iter().filter(|entry| entry.lacks_manifest()).count();
    if bare > good {
        return Some(format!("{bare} snapshots have no manifest, and only {good} have one"));
    }
    let ahead = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
    let odd = entries.iter().find(|entry| entry.began > ahead)?;
    Some(format!("{} begins more than a day from now", odd.key))
}

fn is_leftover(entry: &Entry<'_>, now: Timestamp) -> bool {
    let before = now.saturating_sub(LEFTOVER).unwrap_or(Timestamp::MIN);
    let newest = entry.object.max(entry.manifest).max(Some(entry.began));
    !entry.is_backup() && newest.is_some_and(|newest| newest < before)
}

/// The key of the one object that is there.
fn single(entry: &Entry<'_>) -> String {
    if entry.object.is_some() { entry.key.to_owned() } else { format!("{}{MANIFEST}", entry.key) }
}

/// Backups that a limit does not keep, the oldest first, but never the newest. They are in the order of their age.
fn due<'a>(backups: &'a [&'a Entry<'a>], keep: &Keep, now: Timestamp) -> impl Iterator<Item = &'a str> {
    let most = keep.max_count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let before = keep
        .max_age_seconds
        .map(|seconds| now.saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN));
    let newer = |index: usize| backups.len() - 1 - index;
    backups.iter().enumerate().filter_map(move |(index, entry)| {
        let goes = newer(index) >= most || before.is_some_and(|before| entry.began < before);
        (goes && newer(index) > 0).then_some(entry.key)
    })
}

/// How many of those that are due go now, and what is said of it: a listing or a policy that is wrong costs half at most.
fn at_once(due: usize, all: usize, tightened: bool) -> (usize, Option<String>) {
    let half = all / 2;
    if due <= half {
        return (due, None);
    }
    if tightened {
        let remark = format!("{due} of {all} backups were due at once, since the retention was tightened.");
        return (due, Some(remark));
    }
    let later = due - half;
    let remark = format!(
        "{due} of {all} backups are due, and at most half are deleted at once: {later} go with the next backups."
    );
    (half, Some(remark))
}

#[cfg(test)]
mod tests;
