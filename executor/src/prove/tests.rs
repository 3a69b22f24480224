use super::*;
use crate::testing::Bao;

/// Not a second look.
const AT_ONCE: Duration = Duration::ZERO;
const SOON: SignedDuration = SignedDuration::from_secs(6);

/// The claim of a restore on the first server.
fn claim(bao: &Bao, post: Post, end: End) -> Claim<'static> {
    let (claimed, active_before) = bao.server(0, |leader| (leader.now, leader.active));
    let expires = claimed + SignedDuration::from_hours(168);
    Claim { token: "s.m", expires, active_before, claimed, post, end }
}

/// The restore was applied, and this server leads since then.
fn apply(bao: &Bao, index: usize) {
    for node in 0..bao.addresses.len() {
        bao.server(node, |server| {
            server.leads = node == index;
            server.leader = bao.addresses[index].clone();
            server.marker = 400;
            server.now += SOON * 2;
            server.active = server.now - SOON;
        });
    }
}

async fn verdict(bao: &Bao, claim: &Claim<'_>) -> Verdict {
    prove(&bao.cluster(), claim, AT_ONCE).await.verdict
}

#[tokio::test]
async fn a_leader_that_lost_the_marker_and_is_active_anew_proves_it() {
    for index in [0, 1] {
        let bao = Bao::start(3).await;
        let claim = claim(&bao, Post::Unclear, End::Said(false));
        assert_eq!(verdict(&bao, &claim).await, Verdict::Unknown, "the marker is there");
        apply(&bao, index);
        let proof = prove(&bao.cluster(), &claim, AT_ONCE).await;
        assert_eq!(proof.verdict, Verdict::Applied);
        assert_eq!(proof.leader.as_deref(), Some(bao.addresses[index].as_str()));
    }
}

/// Bug: a leader that hangs during its restore, or answers by halves, is judged.
#[tokio::test]
async fn a_leader_that_does_not_answer_is_asked_again() {
    let bao = Bao::start(1).await;
    let claim = claim(&bao, Post::Acknowledged, End::Said(false));
    bao.server(0, |leader| leader.marker = 503);
    let (cluster, patience) = (bao.cluster(), Duration::from_mins(1));
    let (proof, ()) = tokio::join!(prove(&cluster, &claim, patience), async {
        while bao.server(0, |leader| !leader.asked.iter().any(|path| path == "sys/wrapping/lookup")) {
            sleep(Duration::from_millis(5)).await;
        }
        apply(&bao, 0);
    });
    assert_eq!(proof.verdict, Verdict::Applied);
}

/// Bug: a standby, a sealed server or one that was cut off is believed, since it is the only one that answers.
#[tokio::test]
async fn only_the_current_leader_is_asked() {
    let bao = Bao::start(3).await;
    let claim = claim(&bao, Post::Unclear, End::Said(true));
    let asked =
        |index| bao.server(index, |server| server.asked.iter().any(|path| path == "sys/wrapping/lookup"));
    bao.server(1, |server| server.sealed = true);
    bao.server(2, |server| server.sealed = true);
    let proof = prove(&bao.cluster(), &claim, AT_ONCE).await;
    assert_eq!(proof.verdict, Verdict::Unknown);
    let sealed: Vec<_> = proof.sealed.iter().map(|one| (one.address.as_str(), one.kind.as_deref())).collect();
    assert_eq!(sealed, [(bao.addresses[1].as_str(), Some("shamir")), (&bao.addresses[2], Some("shamir"))]);
    assert!(!asked(0));
    bao.server(1, |server| server.sealed = false);
    assert_eq!(verdict(&bao, &claim).await, Verdict::NotApplied);
    assert!(asked(0) && !asked(1) && !asked(2));
}

/// Bug: "not applied" while a POST is on its way, or by a clock that was set.
#[tokio::test]
async fn a_marker_that_is_there_proves_nothing_before_the_end() {
    let bao = Bao::start(1).await;
    let (now, hour) = (Duration::ZERO, Duration::from_hours(1));
    let limit = SignedDuration::from_mins(30);
    for (end, proved) in [
        (End::Said(false), false),
        (End::Said(true), true),
        (End::After(Moment::ago(now, now), limit), false),
        (End::After(Moment::ago(now, hour), limit), false),
        (End::After(Moment::ago(hour, now), limit), true),
        (End::After(Moment::ago(hour, hour), SignedDuration::MAX), false),
    ] {
        let expected = if proved { Verdict::NotApplied } else { Verdict::Unknown };
        assert_eq!(verdict(&bao, &claim(&bao, Post::Unclear, end)).await, expected, "{end:?}");
    }
    let refused = claim(&bao, Post::Refused, End::Said(false));
    assert_eq!(verdict(&bao, &refused).await, Verdict::NotApplied);
}

/// Bug: the leader's clock, a day and years from this pod's, makes a marker look expired or an activity old.
#[tokio::test]
async fn the_leaders_clock_alone_counts() {
    for days in [-1, 0, 1, 4_000] {
        let bao = Bao::start(1).await;
        bao.server(0, |leader| {
            leader.now += SignedDuration::from_hours(24 * days);
            leader.active += SignedDuration::from_hours(24 * days);
        });
        let claim = claim(&bao, Post::Unclear, End::Said(false));
        apply(&bao, 0);
        assert_eq!(verdict(&bao, &claim).await, Verdict::Applied, "{days}");
        bao.server(0, |leader| leader.now += SignedDuration::from_hours(90));
        assert_eq!(verdict(&bao, &claim).await, Verdict::Unknown, "the marker may have expired");
    }
}
