//! Named rules, and random histories of a bucket against a model that counts for each object by itself.

mod history;

use super::*;

const FOLDER: &str = "ns/c/";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// As the archive reads its keys, in short: seconds since the epoch and a mark.
fn began(key: &str) -> Option<Timestamp> {
    let name = key.strip_prefix(FOLDER)?.strip_suffix(".snap")?;
    Timestamp::from_second(name.parse().ok()?).ok()
}

fn key(began: Timestamp) -> String {
    format!("{FOLDER}{}.snap", began.as_second())
}

/// Object and manifest of backups that began so many hours before `now`.
fn backups(now: Timestamp, hours: &[i64]) -> Vec<Listed> {
    let both = |hours: &i64| {
        let modified = now - SignedDuration::from_hours(*hours);
        [key(modified), format!("{}.json", key(modified))].map(|key| Listed { key, modified })
    };
    hours.iter().flat_map(both).collect()
}

fn keep(max_count: Option<u32>, hours: Option<i64>, tightened: bool) -> BackupOrder {
    let keep = Keep { max_count, max_age_seconds: hours.map(|hours| hours * 3600), tightened };
    BackupOrder { keep: Some(keep), ..BackupOrder::default() }
}

/// How many hours ago those began that go, and the remark.
fn gone(listed: &[Listed], order: &BackupOrder, now: Timestamp) -> (Vec<i64>, Option<String>) {
    let decision = decide(listed, began, order, &key(now), now);
    let hours = |key: &String| now.duration_since(began(key).unwrap()).as_hours();
    (decision.backups.iter().map(hours).collect(), decision.remark)
}

/// Bug: one limit alone is followed, or one of the two is taken for enough to keep a backup.
#[test]
fn a_backup_stays_that_every_limit_keeps() {
    let now = at("2026-03-20T03:00:00Z");
    let listed = backups(now, &[0, 24, 48, 72, 96]);
    for (count, hours, expected) in [
        (Some(4), None, vec![96]),
        (None, Some(72), vec![96]),
        (Some(4), Some(71), vec![96, 72]),
        (Some(3), Some(1000), vec![96, 72]),
        (None, None, vec![]),
    ] {
        assert_eq!(gone(&listed, &keep(count, hours, false), now), (expected, None), "{count:?} {hours:?}");
    }
    let none = BackupOrder::default();
    assert_eq!(gone(&listed, &none, now), (vec![], None));
}

/// Bug: a maxAge that is too short, or a maxCount of 0, leaves nothing to restore.
#[test]
fn the_newest_and_the_protected_stay_whatever_the_limits_are() {
    let now = at("2026-03-20T03:00:00Z");
    let listed = backups(now, &[0, 24, 48]);
    let mut order = keep(Some(0), Some(0), true);
    assert_eq!(gone(&listed, &order, now).0, [48, 24]);
    order.protected = vec![key(now - SignedDuration::from_hours(48))];
    assert_eq!(gone(&listed, &order, now).0, [24]);
    order.protected = vec![FOLDER.to_owned()];
    let (keys, remark) = gone(&listed, &order, now);
    assert!(keys.is_empty() && remark.is_some_and(|text| text.contains("restores")), "{keys:?}");
    // By another clock one is newer than the one just made.
    let mut newer = backups(now + SignedDuration::from_hours(1), &[0]);
    newer.extend(backups(now, &[0, 24]));
    assert_eq!(gone(&newer, &keep(Some(0), Some(0), true), now).0, [24]);
}

/// Bug: a zero left out of maxCount empties a bucket in one night.
#[test]
fn at_most_half_go_at_once_unless_the_policy_was_tightened() {
    let now = at("2026-03-20T03:00:00Z");
    let listed = backups(now, &[0, 1, 2, 3, 4, 5, 6]);
    let (hours, remark) = gone(&listed, &keep(Some(2), None, false), now);
    assert_eq!(hours, [6, 5, 4]);
    assert!(remark.unwrap().contains("2 go with the next backups"));
    let (hours, remark) = gone(&listed, &keep(Some(2), None, true), now);
    assert_eq!(hours, [6, 5, 4, 3, 2]);
    assert!(remark.unwrap().contains("tightened"));
}

/// Bug: half a listing is taken for a bucket with few backups, or a key by a broken clock for the newest.
#[test]
fn nothing_goes_by_a_listing_that_looks_wrong() {
    let now = at("2026-03-20T03:00:00Z");
    let order = keep(Some(1), None, true);
    let all = backups(now, &[0, 24, 48]);
    let without_made = &all[2..];
    let without_its_manifest = [&all[..1], &all[2..]].concat();
    let mut ahead = all.clone();
    ahead.extend(backups(now + SignedDuration::from_hours(72), &[0]));
    // As by a rule of the bucket that deletes what ends in .json.
    let few_manifests: Vec<Listed> = [&all[..3], &all[4..5]].concat();
    for (case, listed) in [
        ("no such key", without_made),
        ("no manifest", &without_its_manifest),
        ("ahead", &ahead),
        ("most have no manifest", &few_manifests),
    ] {
        let decision = decide(listed, began, &order, &key(now), now);
        assert!(decision.backups.is_empty() && decision.leftovers.is_empty(), "{case}");
        assert!(decision.remark.unwrap().starts_with("Nothing was deleted"), "{case}");
    }
}

/// Bug: an upload that is about to become a backup is deleted as a leftover, or a leftover stays for ever.
#[test]
fn what_never_became_a_backup_goes_after_a_day() {
    let now = at("2026-03-20T03:00:00Z");
    let mut listed = backups(now, &[0, 20, 30, 40, 50, 70]);
    listed.retain(|one| {
        let manifest_of = |hours| one.key == format!("{}.json", key(now - SignedDuration::from_hours(hours)));
        let object_of = |hours| one.key == key(now - SignedDuration::from_hours(hours));
        !manifest_of(20) && !manifest_of(30) && !object_of(40)
    });
    // It was written a moment ago, whatever its name says.
    let fresh = key(now - SignedDuration::from_hours(60));
    listed.push(Listed { key: fresh, modified: now });
    let decision = decide(&listed, began, &BackupOrder::default(), &key(now), now);
    let hours = |hours| now - SignedDuration::from_hours(hours);
    assert_eq!(decision.leftovers, [format!("{}.json", key(hours(40))), key(hours(30))]);
    assert_eq!(decision.backups, Vec::<String>::new());
}

/// Bug: backups of the operator that was here before, which writes no manifests, go as what is left of uploads.
#[test]
fn what_was_there_before_our_first_backup_stays() {
    let now = at("2026-03-20T03:00:00Z");
    let mut listed = backups(now, &[0, 24, 48, 72, 96]);
    for hours in [60, 100, 124, 148] {
        let modified = now - SignedDuration::from_hours(hours);
        listed.push(Listed { key: key(modified), modified });
    }
    let decision = decide(&listed, began, &keep(Some(3), None, false), &key(now), now);
    assert_eq!(decision.leftovers, [key(now - SignedDuration::from_hours(60))]);
    assert_eq!(decision.backups.len(), 2);
}

/// Bug: the clock of a key is trusted for longer than a day ahead, or not even for a day.
#[test]
fn a_key_may_begin_a_day_ahead_and_no_more() {
    let now = at("2026-03-20T03:00:00Z");
    for (ahead, goes) in [(SignedDuration::from_hours(24), true), (SignedDuration::from_secs(86_401), false)]
    {
        let mut listed = backups(now, &[0, 24, 48]);
        listed.extend(backups(now + ahead, &[0]));
        let (hours, _) = gone(&listed, &keep(Some(1), None, true), now);
        assert_eq!(!hours.is_empty(), goes, "{ahead}");
    }
}

/// Bug: an upload of today goes as a leftover, because the clock of the store is behind by days.
#[test]
fn a_leftover_is_old_by_its_key_too() {
    let now = at("2026-03-20T03:00:00Z");
    let mut listed = backups(now, &[0]);
    let modified = now - SignedDuration::from_hours(72);
    listed.push(Listed { key: key(now - SignedDuration::from_hours(2)), modified });
    assert_eq!(
        decide(&listed, began, &BackupOrder::default(), &key(now), now).leftovers,
        Vec::<String>::new()
    );
}

/// Bug: of two backups of one second, which one goes depends on the order of the listing.
#[test]
fn backups_of_one_second_go_in_the_order_of_their_keys() {
    let now = at("2026-03-20T03:00:00Z");
    let twins = |key: &str| began(&key.replace("-a.snap", ".snap").replace("-b.snap", ".snap"));
    let stem = key(now - SignedDuration::from_hours(24)).replace(".snap", "");
    let both = ["b", "a"].map(|mark| format!("{stem}-{mark}.snap"));
    let pair = |key: &String| [key.clone(), format!("{key}.json")].map(|key| Listed { key, modified: now });
    let listed: Vec<Listed> = backups(now, &[0]).into_iter().chain(both.iter().flat_map(pair)).collect();
    let decision = decide(&listed, twins, &keep(Some(2), None, false), &key(now), now);
    assert_eq!(decision.backups, [both[1].as_str()]);
}
