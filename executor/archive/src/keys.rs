//! Keys of backups: `<prefix>/<namespace>/<cluster>/<2026-03-20T03-00-00Z>-<8 hexadecimal digits>.snap`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Second precision, and no colons, which some stores and tools escape.
const TIME: &str = "%Y-%m-%dT%H-%M-%SZ";
const SUFFIX: &str = ".snap";

/// The key of the manifest of a snapshot.
#[must_use]
pub fn manifest(snapshot: &str) -> String {
    format!("{snapshot}.json")
}

/// The key of a backup that begins at `at`, in the folder of a cluster's backups, which ends with `/`; `chance` tells
/// backups of the same second apart.
#[must_use]
pub fn backup_key(folder: &str, at: Timestamp, chance: [u8; 4]) -> String {
    format!("{folder}{}-{:08x}{SUFFIX}", at.strftime(TIME), u32::from_be_bytes(chance))
}

/// When the backup with this key began, if it is one of ours in `folder`.
#[must_use]
pub fn began(folder: &str, key: &str) -> Option<Timestamp> {
    let (time, chance) = key.strip_prefix(folder)?.strip_suffix(SUFFIX)?.rsplit_once('-')?;
    let is_chance = chance.len() == 8 && chance.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let at = Offset::UTC.to_timestamp(DateTime::strptime(TIME, time).ok()?).ok()?;
    (is_chance && at.strftime(TIME).to_string() == time).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_as_documented() {
        let at = "2026-03-20T03:00:00.9Z".parse().unwrap();
        let key = backup_key("clusters/security/prod/", at, [0, 0xab, 0xcd, 0xef]);
        assert_eq!(key, "clusters/security/prod/2026-03-20T03-00-00Z-00abcdef.snap");
    }

    /// Bug: retention deletes an object that is not this cluster's own backup.
    #[test]
    fn other_keys_are_not_ours() {
        for other in [
            "security/prod/2026-03-20T03-00-00Z-00abcdef.snap.json",
            "security/prod/2026-03-20T03-00-00Z-00ABCDEF.snap",
            "security/prod/2026-03-20T03-00-00Z-0abcdef.snap",
            "security/prod/2026-3-20T03-00-00Z-00abcdef.snap",
            "security/prod/2026-13-20T03-00-00Z-00abcdef.snap",
            "security/prod/old/2026-03-20T03-00-00Z-00abcdef.snap",
            "security/prod-2/2026-03-20T03-00-00Z-00abcdef.snap",
            "security/prod/latest.snap",
        ] {
            assert_eq!(began("security/prod/", other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_key_says_when_it_began(second in 0_i64..4_000_000_000, chance: [u8; 4], folder in "([a-z]{1,3}/){0,3}") {
            let at = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(began(&folder, &backup_key(&folder, at, chance)), Some(at));
        }
    }
}
