use super::*;
use proptest::prelude::*;

const CLAIMED: i64 = 1_774_000_000;
const HOUR: i64 = 3_600;
/// Life of a marker.
const LIFE: i64 = 168 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(CLAIMED + seconds).unwrap()
}

const LOOKUPS: [Lookup; 3] = [Lookup::Present, Lookup::Absent, Lookup::Unclear];
const POSTS: [Post; 3] = [Post::Acknowledged, Post::Refused, Post::Unclear];
/// When the leader answered, seconds after the claim, and whether the marker may be gone by itself.
const ASKED: [(Option<i64>, bool); 5] =
    [(None, true), (Some(-HOUR), false), (Some(8), false), (Some(LIFE / 2), true), (Some(LIFE), true)];
/// Since when it is active: seconds after the claim.
const ACTIVE: [(Option<i64>, Active); 8] = [
    (None, Active::AsBefore),
    (Some(-5_001), Active::AsBefore),
    (Some(-5_000), Active::AsBefore),
    (Some(-601), Active::Later),
    (Some(-600), Active::Fresh),
    (Some(6), Active::Fresh),
    (Some(600), Active::Fresh),
    (Some(601), Active::Later),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Active {
    AsBefore,
    Fresh,
    Later,
}

/// The table of the contract. What is not in it is not known.
fn expected(lookup: Lookup, post: Post, nothing: bool, expired: bool, active: Active) -> Verdict {
    match (lookup, post, nothing, expired, active) {
        (Lookup::Present, Post::Refused, _, _, _) | (Lookup::Present, _, true, _, _) => Verdict::NotApplied,
        (Lookup::Absent, Post::Acknowledged, _, false, Active::Fresh | Active::Later)
        | (Lookup::Absent, Post::Unclear, _, false, Active::Fresh) => Verdict::Applied,
        _ => Verdict::Unknown,
    }
}

/// Bug: Completed on an acknowledgement alone, by a marker that expired, or for a restart that had another cause; the lock
/// released while a POST is on its way.
#[test]
fn every_answer_has_its_verdict() {
    let mut verdicts = [0; 3];
    for lookup in LOOKUPS {
        for post in POSTS {
            for nothing_on_its_way in [false, true] {
                for (asked, expired) in ASKED {
                    for (active, kind) in ACTIVE {
                        let seen = Evidence {
                            lookup,
                            asked: asked.map(at),
                            active_now: active.map(at),
                            active_before: at(-5_000),
                            claimed: at(0),
                            marker_expires: at(LIFE),
                            post,
                            nothing_on_its_way,
                        };
                        let verdict = judge(&seen);
                        assert_eq!(
                            verdict,
                            expected(lookup, post, nothing_on_its_way, expired, kind),
                            "{seen:?}"
                        );
                        verdicts[verdict as usize] += 1;
                    }
                }
            }
        }
    }
    assert_eq!(verdicts.iter().sum::<i32>(), 720);
    assert_eq!(verdicts, [32, 160, 528], "applied, not applied, unknown");
}

/// Bug: a standby, one side of a split, or a leader of before that was frozen is asked about the marker.
#[test]
fn the_leader_is_the_one_that_most_name() {
    let leads = |names| Some(Says { leads: true, names });
    let follows = |names| Some(Says { leads: false, names });
    for (case, servers, found) in [
        ("all well", vec![follows("b"), leads("b"), follows("b")], Some(1)),
        ("one alone", vec![leads("a")], Some(0)),
        ("one sealed", vec![leads("a"), None, follows("a")], Some(0)),
        ("two sealed", vec![leads("a"), None, None], None),
        ("half sealed", vec![leads("a"), None], None),
        ("none leads", vec![follows("b"), None, follows("b")], None),
        ("a frozen leader woke up", vec![leads("a"), leads("b"), follows("b")], Some(1)),
        ("only the frozen leader answers", vec![leads("a"), None, follows("b")], None),
        ("a follower knows nobody", vec![leads("a"), follows(""), follows("a")], Some(0)),
        ("nobody", vec![], None),
    ] {
        assert_eq!(leader(&servers), found, "{case}");
    }
}

#[test]
fn the_read_timeout_grows_with_the_snapshot() {
    for (size, minutes) in [(0, 15), (3 << 30, 15), (4 << 30, 18), (29 << 30, 124)] {
        assert_eq!(read_timeout(size), SignedDuration::from_mins(minutes), "{size}");
    }
    assert!(read_timeout(u64::MAX) > SignedDuration::from_hours(1_000_000));
}

/// Bug: a POST by a token that outlives half an hour is called impossible while it is still possible.
#[test]
fn a_post_may_come_as_long_as_its_token_and_the_read_timeout() {
    let minutes = |token: Option<i64>| on_its_way(0, token.map(SignedDuration::from_mins));
    assert_eq!(minutes(Some(5)), SignedDuration::from_mins(30));
    assert_eq!(minutes(Some(60)), SignedDuration::from_mins(75));
    assert_eq!(minutes(None), SignedDuration::MAX);
    assert!(on_its_way(29 << 30, Some(SignedDuration::ZERO)) > SignedDuration::from_hours(2));
}

prop_compose! {
    fn any_evidence()(
        lookup in 0..3_usize,
        post in 0..3_usize,
        nothing_on_its_way: bool,
        times in [-2 * LIFE..2 * LIFE, -1_000..1_000_i64, -1_000..1_000_i64],
        expires in 0..2 * LIFE,
    ) -> Evidence {
        Evidence {
            lookup: LOOKUPS[lookup],
            asked: Some(at(times[0])),
            active_now: Some(at(times[1])),
            active_before: at(times[2]),
            claimed: at(0),
            marker_expires: at(expires),
            post: POSTS[post],
            nothing_on_its_way,
        }
    }
}

proptest! {
    /// Bug: the leader's clock is held against another one.
    #[test]
    fn only_differences_on_the_leaders_clock_count(seen in any_evidence(), step in -40 * LIFE..40 * LIFE) {
        let step = SignedDuration::from_secs(step);
        let moved = Evidence {
            asked: seen.asked.map(|time| time + step),
            active_now: seen.active_now.map(|time| time + step),
            active_before: seen.active_before + step,
            claimed: seen.claimed + step,
            marker_expires: seen.marker_expires + step,
            ..seen
        };
        prop_assert_eq!(judge(&moved), judge(&seen));
    }

    /// Bug: a marker that a server with a fast clock let expire is taken for one that the restore wiped, since a server
    /// with a slow clock answers.
    #[test]
    fn a_marker_that_any_clock_let_expire_proves_nothing(
        elapsed in 0..2 * LIFE,
        offsets in [-24 * HOUR..=24 * HOUR, -24 * HOUR..=24 * HOUR, -24 * HOUR..=24 * HOUR],
        post in 0..3_usize,
    ) {
        let [claim, fast, answer] = offsets;
        let seen = Evidence {
            lookup: Lookup::Absent,
            asked: Some(at(elapsed + answer)),
            active_now: Some(at(claim + 6)),
            active_before: at(claim - 100),
            claimed: at(claim),
            marker_expires: at(claim + LIFE),
            post: POSTS[post],
            nothing_on_its_way: false,
        };
        let expired_somewhere = elapsed + fast.max(answer) >= claim + LIFE;
        prop_assert!(!expired_somewhere || judge(&seen) == Verdict::Unknown);
    }

    /// Bug: an outcome that is settled is unsettled by more waiting, or two grounds contradict each other.
    #[test]
    fn a_marker_that_is_there_is_never_applied_and_one_that_is_gone_never_not_applied(seen in any_evidence()) {
        match judge(&seen) {
            Verdict::Applied => prop_assert_eq!(seen.lookup, Lookup::Absent),
            Verdict::NotApplied => prop_assert_eq!(seen.lookup, Lookup::Present),
            Verdict::Unknown => {}
        }
    }
}
