//! Whether a restore was applied, judged by what the current leader says. An acknowledgement proves nothing, and a sealed
//! server is no verdict.

use jiff::{SignedDuration, Timestamp};

/// A leader that became active this soon after the claim did so because of the restore.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Nothing of a POST is on its way any more this long after the claim. That the sender's connection ended says less: a
/// server that does not hear of it restores what it has when its read timeout comes.
const NOT_APPLIED_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// What the current leader says about the marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// 200: it is there.
    Present,
    /// 400: it is not there.
    Absent,
    /// Anything else, or no answer.
    Unclear,
}

/// What became of the POST, as its sender saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Post {
    /// The server's 204 was read.
    Acknowledged,
    /// The server's refusal was read.
    Refused,
    /// Neither was read.
    Unclear,
}

/// All that a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The marker on the leader of now.
    pub lookup: Lookup,
    /// When the marker goes by itself.
    pub marker_expires: Timestamp,
    /// Since when the leader of the POST was active, before it.
    pub active_before: Timestamp,
    /// Since when the leader of now is active, where it says so.
    pub active_now: Option<Timestamp>,
    /// What became of the POST.
    pub post: Post,
    /// When the ticket was claimed.
    pub claimed: Timestamp,
}

/// Whether the cluster has the snapshot's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has.
    Applied,
    /// It has its own data, and that stays so.
    NotApplied,
    /// Not known yet.
    Unknown,
}

/// The verdict at `now`.
#[must_use]
pub fn judge(seen: &Evidence, now: Timestamp) -> Verdict {
    match seen.lookup {
        Lookup::Present if nothing_on_its_way(seen, now) => Verdict::NotApplied,
        Lookup::Absent if now < seen.marker_expires && restarted(seen) => Verdict::Applied,
        Lookup::Present | Lookup::Absent | Lookup::Unclear => Verdict::Unknown,
    }
}

fn nothing_on_its_way(seen: &Evidence, now: Timestamp) -> bool {
    seen.post == Post::Refused || now.duration_since(seen.claimed) >= NOT_APPLIED_AFTER
}

/// Whether the leader became active anew, and by our POST. A refused POST restored nothing: then it was somebody else's.
fn restarted(seen: &Evidence) -> bool {
    let Some(active) = seen.active_now.filter(|active| *active > seen.active_before) else { return false };
    match seen.post {
        Post::Acknowledged => true,
        Post::Refused => false,
        Post::Unclear => active.duration_since(seen.claimed) <= FRESH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    const CLAIMED: i64 = 10_000;

    fn evidence(lookup: Lookup, post: Post) -> Evidence {
        Evidence {
            lookup,
            marker_expires: at(CLAIMED + 168 * 3600),
            active_before: at(CLAIMED - 5_000),
            active_now: Some(at(CLAIMED + 6)),
            post,
            claimed: at(CLAIMED),
        }
    }

    /// Bug: Completed on an acknowledgement alone, by a marker that expired, or for a restart that had another cause.
    #[test]
    fn applied_needs_a_wiped_marker_and_a_new_activity() {
        let good = evidence(Lookup::Absent, Post::Acknowledged);
        assert_eq!(judge(&good, at(CLAIMED + 8)), Verdict::Applied);
        let late = Evidence { active_now: Some(at(CLAIMED + 3_600)), ..good };
        assert_eq!(judge(&late, at(CLAIMED + 3_700)), Verdict::Applied);
        let unread = evidence(Lookup::Absent, Post::Unclear);
        assert_eq!(judge(&unread, at(CLAIMED + 8)), Verdict::Applied);
        for (case, seen, now) in [
            (
                "the leader is the same as before",
                Evidence { active_now: Some(good.active_before), ..good },
                8,
            ),
            ("the leader does not say since when", Evidence { active_now: None, ..good }, 8),
            ("the marker expired", good, 168 * 3600),
            (
                "nothing was read, and the leader is new much later",
                Evidence { post: Post::Unclear, ..late },
                3_700,
            ),
            ("the server refused, so somebody else wiped it", Evidence { post: Post::Refused, ..good }, 8),
            ("no answer", Evidence { lookup: Lookup::Unclear, ..good }, 8),
        ] {
            assert_eq!(judge(&seen, at(CLAIMED + now)), Verdict::Unknown, "{case}");
        }
    }

    /// Bug: the lock is released while a POST is still on its way.
    #[test]
    fn not_applied_needs_the_end_of_every_post() {
        for post in [Post::Acknowledged, Post::Unclear] {
            let seen = evidence(Lookup::Present, post);
            assert_eq!(judge(&seen, at(CLAIMED + 1_799)), Verdict::Unknown);
            assert_eq!(judge(&seen, at(CLAIMED + 1_800)), Verdict::NotApplied);
        }
        assert_eq!(judge(&evidence(Lookup::Present, Post::Refused), at(CLAIMED)), Verdict::NotApplied);
    }
}
