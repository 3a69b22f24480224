use super::*;
use api::task::{Origin, SnapshotMarker};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;

const SIZE: u64 = 40_000_000;
/// 30 s, and 2 s for the snapshot.
const WITHIN: Duration = Duration::from_secs(32);
const LEADER: &str = "https://bao-0:8200";
const BEFORE: &str = "2026-03-20T01:00:00Z";

fn identity(cluster_id: &str, active_time: &str, raft_index: u64) -> Identity {
    Identity { cluster_id: cluster_id.to_owned(), active_time: active_time.to_owned(), raft_index }
}

fn claim(origin: Option<&str>) -> Claim {
    let time = || Time(Timestamp::UNIX_EPOCH);
    let marker = || SnapshotMarker { token: "s.s".to_owned(), created: time(), expires: time() };
    Claim {
        marker: "s.r".to_owned(),
        expires: time(),
        origin: origin.map(|cluster_id| Origin { cluster_id: cluster_id.to_owned(), marker: marker() }),
        leader: LEADER.to_owned(),
        identity: identity("ours", BEFORE, 100),
        nothing_after: time(),
    }
}

/// The leader of before as it answers when nothing has happened.
fn look(request: Lookup, snapshot: Option<Lookup>) -> Look {
    Look {
        leader: LEADER.to_owned(),
        identity: identity("ours", BEFORE, 100),
        request,
        snapshot,
        took: Duration::ZERO,
        at: Duration::from_secs(1),
        nothing_on_its_way: false,
        acknowledged: None,
    }
}

/// The leader of before, active anew since its 204.
fn watched(snapshot: Option<Lookup>) -> Look {
    let identity = identity("ours", "2026-03-20T03:00:05Z", 105);
    Look { identity, acknowledged: Some(WITHIN), ..look(Lookup::Absent, snapshot) }
}

fn judged(origin: Option<&str>, post: Post, looks: &[Look]) -> Verdict {
    let claim = claim(origin);
    let mut judge = Judge::new(&claim, post, SIZE);
    looks.iter().fold(judge.unseen(), |_, look| judge.look(look))
}

const POSTS: [Post; 4] = [
    Post::TailKept,
    Post::TailSent(None),
    Post::TailSent(Some(Answer::Acknowledged)),
    Post::TailSent(Some(Answer::Refused)),
];
const LOOKUPS: [Lookup; 3] = [Lookup::Present, Lookup::Absent, Lookup::Unclear];
const ACKNOWLEDGED: Post = Post::TailSent(Some(Answer::Acknowledged));

/// The table of the contract for one look by somebody who was not there, long before nothing is on its way.
fn expected(post: Post, request: Lookup, snapshot: Option<Lookup>) -> Verdict {
    use Lookup::{Absent, Present, Unclear};
    match (post, snapshot, request) {
        (Post::TailKept, ..) => Verdict::NotApplied(NotApplied::TailKept),
        (_, Some(Present), _) => Verdict::Applied(Applied::Marker),
        (_, Some(Unclear), _) | (_, _, Unclear) => Verdict::Unknown(Doubt::NoAnswer),
        (Post::TailSent(Some(Answer::Refused)), _, Present) => Verdict::NotApplied(NotApplied::Refused),
        (_, _, Present) => Verdict::Unknown(Doubt::OnItsWay),
        (_, Some(Absent), Absent) => Verdict::Unknown(Doubt::Replaced),
        (_, None, Absent) => Verdict::Unknown(Doubt::NoMarker),
    }
}

/// Bug: Completed on an acknowledgement, or by the request's marker alone; the lock released while a POST is on its way.
#[test]
fn every_answer_has_its_verdict() {
    let mut seen = 0;
    for post in POSTS {
        for request in LOOKUPS {
            for snapshot in LOOKUPS.map(Some).into_iter().chain([None]) {
                let origin = snapshot.map(|_| "ours");
                let verdict = judged(origin, post, &[look(request, snapshot)]);
                assert_eq!(verdict, expected(post, request, snapshot), "{post:?} {request:?} {snapshot:?}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 48);
}

/// Bug: a restore of somebody else's snapshot, or older volumes, are taken for this restore; or a clone never is.
#[test]
fn the_snapshots_marker_counts_in_the_snapshots_own_data_only() {
    let found = |id: &str, raft_index| Look {
        identity: identity(id, BEFORE, raft_index),
        ..look(Lookup::Absent, Some(Lookup::Present))
    };
    let applied = Verdict::Applied(Applied::Marker);
    let doubt = Verdict::Unknown(Doubt::OtherCluster);
    for (origin, id, index, verdict) in [
        ("ours", "ours", 100, applied),
        ("ours", "ours", 99, doubt),
        ("ours", "theirs", 100, doubt),
        ("theirs", "theirs", 100, applied),
        ("theirs", "ours", 100, doubt),
    ] {
        assert_eq!(judged(Some(origin), Post::TailSent(None), &[found(id, index)]), verdict, "{origin} {id}");
    }
}

/// Bug: a restart, an election or another restore meanwhile is taken for this one, where the snapshot has no marker.
#[test]
fn without_a_snapshots_marker_only_who_watched_its_own_204_proves_it() {
    assert_eq!(judged(None, ACKNOWLEDGED, &[watched(None)]), Verdict::Applied(Applied::Watched));
    let doubt = Verdict::Unknown(Doubt::NoMarker);
    let later = Some(WITHIN + Duration::from_nanos(1));
    for look in [
        Look { acknowledged: None, ..watched(None) },
        Look { acknowledged: later, ..watched(None) },
        Look { leader: "https://bao-1:8200".to_owned(), ..watched(None) },
        Look { identity: identity("ours", BEFORE, 105), ..watched(None) },
    ] {
        assert_eq!(judged(None, ACKNOWLEDGED, std::slice::from_ref(&look)), doubt, "{look:?}");
    }
    assert_eq!(judged(None, Post::TailSent(None), &[watched(None)]), doubt, "nobody read a 204");
    let replaced = Verdict::Unknown(Doubt::Replaced);
    let asked = judged(Some("ours"), ACKNOWLEDGED, &[watched(Some(Lookup::Absent))]);
    assert_eq!(asked, replaced, "its marker could be asked for, and is not there");
}

/// Bug: a leader that was frozen answers before it goes on, and its first answer is believed; or it was frozen once more
/// between two looks.
#[test]
fn not_applied_takes_prompt_looks_of_the_same_openbao_without_a_break() {
    let at = |seconds| Look {
        at: Duration::from_secs(seconds),
        nothing_on_its_way: true,
        ..look(Lookup::Present, Some(Lookup::Absent))
    };
    let verdict = |looks: &[Look]| judged(Some("ours"), ACKNOWLEDGED, looks);
    let (proved, not_yet) = (Verdict::NotApplied(NotApplied::MarkerStays), Verdict::Unknown(Doubt::OnItsWay));
    assert_eq!(verdict(&[at(0), at(15), at(30)]), proved);
    assert_eq!(verdict(&[at(0), at(15), at(29)]), not_yet);
    assert_eq!(verdict(&[at(30)]), not_yet);
    assert_eq!(verdict(&[at(0), at(14), at(30)]), not_yet, "nobody looked for more than 15 s");
    assert_eq!(verdict(&[at(0), at(14), at(30), at(45), at(60)]), proved);
    let slow = |seconds| Look { took: Duration::from_millis(2001), ..at(seconds) };
    let early = |seconds| Look { nothing_on_its_way: false, ..at(seconds) };
    let unclear = |seconds| Look { request: Lookup::Unclear, ..at(seconds) };
    for broken in [slow(15), early(15), unclear(15)] {
        assert_eq!(verdict(&[broken.clone(), at(20), at(30), at(45)]), not_yet, "{broken:?}");
        assert_eq!(verdict(&[at(0), broken.clone(), at(20), at(30), at(45)]), not_yet, "{broken:?}");
        assert_eq!(verdict(&[at(0), broken.clone(), at(20), at(35), at(50)]), proved, "{broken:?}");
    }
    assert_eq!(verdict(&[at(0), at(15), slow(30)]), not_yet);
    let doubt = Verdict::Unknown(Doubt::OtherCluster);
    for other in [identity("theirs", BEFORE, 100), identity("ours", BEFORE, 99)] {
        let other = |seconds| Look { identity: other.clone(), ..at(seconds) };
        assert_eq!(verdict(&[other(0), other(15), other(30)]), doubt);
    }
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

/// Bug: a large POST is called impossible while its server still waits for the rest.
#[test]
fn a_post_may_come_as_long_as_its_read_timeout_and_half_an_hour_at_least() {
    let claimed = Timestamp::UNIX_EPOCH;
    assert_eq!(nothing_after(claimed, 0), claimed + SignedDuration::from_mins(30));
    assert_eq!(nothing_after(claimed, 29 << 30), claimed + SignedDuration::from_mins(124));
    assert_eq!(nothing_after(Timestamp::MAX, 0), Timestamp::MAX);
}

prop_compose! {
    fn any_look()(
        answers in (0..3_usize, 0..4_usize),
        id in "ours|theirs",
        active in 0..2_usize,
        raft_index in 98..103_u64,
        took in 0..4_u64,
        at in 0..60_u64,
        nothing_on_its_way: bool,
        acknowledged in proptest::option::of(0..60_u64),
    ) -> Look {
        Look {
            leader: LEADER.to_owned(),
            identity: identity(&id, [BEFORE, "2026-03-20T03:00:05Z"][active], raft_index),
            request: LOOKUPS[answers.0],
            snapshot: LOOKUPS.get(answers.1).copied(),
            took: Duration::from_secs(took),
            at: Duration::from_secs(at),
            nothing_on_its_way,
            acknowledged: acknowledged.map(Duration::from_secs),
        }
    }
}

proptest! {
    /// Bug: two grounds contradict each other, or a verdict rests on an answer that nobody gave.
    #[test]
    fn each_verdict_has_its_marker(looks in prop::collection::vec(any_look(), 1..5), post in 1..4_usize) {
        let mut looks = looks;
        looks.sort_by_key(|look| look.at);
        let last = &looks[looks.len() - 1];
        match judged(Some("ours"), POSTS[post], &looks) {
            Verdict::Applied(Applied::Marker) => prop_assert_eq!(last.snapshot, Some(Lookup::Present)),
            Verdict::Applied(Applied::Watched) => {
                prop_assert_eq!((last.snapshot, last.request), (None, Lookup::Absent));
            }
            Verdict::NotApplied(_) => {
                prop_assert_eq!(last.request, Lookup::Present);
                prop_assert!(last.snapshot != Some(Lookup::Present));
                prop_assert_eq!(last.identity.cluster_id.as_str(), "ours");
            }
            Verdict::Unknown(_) => {}
        }
    }
}
