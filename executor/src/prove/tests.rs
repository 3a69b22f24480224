use super::*;
use crate::testing::Bao;
use api::task::Answer;
use plan::proof::{Applied, Doubt, NotApplied};

/// Not a second look.
const AT_ONCE: Duration = Duration::ZERO;

fn case(claim: &Claim, post: Option<Answer>) -> Case<'_> {
    Case {
        claim,
        post: Post::TailSent(post),
        size: 0,
        nothing_on_its_way: false,
        acknowledged: None,
        force: false,
    }
}

async fn verdict(bao: &Bao, case: &Case<'_>) -> Verdict {
    prove(&bao.cluster(), case, None, AT_ONCE).await.verdict
}

#[tokio::test]
async fn a_leader_that_has_the_snapshots_marker_proves_it() {
    for index in [0, 1] {
        let bao = Bao::start(3).await;
        let claim = bao.claim(Some("ours"));
        let case = case(&claim, None);
        assert_eq!(verdict(&bao, &case).await, Verdict::Unknown(Doubt::OnItsWay), "nothing has happened");
        bao.restore(index, true);
        let proof = prove(&bao.cluster(), &case, None, AT_ONCE).await;
        assert_eq!(proof.verdict, Verdict::Applied(Applied::Marker));
        assert_eq!(proof.look.unwrap().leader, bao.addresses[index]);
    }
}

/// Bug: the request's marker alone proves a restore, so that any restore by anybody does.
#[tokio::test]
async fn another_snapshot_is_not_this_one() {
    let bao = Bao::start(1).await;
    let claim = bao.claim(Some("ours"));
    bao.restore(0, false);
    let case = case(&claim, Some(Answer::Acknowledged));
    assert_eq!(verdict(&bao, &case).await, Verdict::Unknown(Doubt::Replaced));
}

/// Bug: a leader that answers, and has neither marker, is looked at for ten minutes before anybody is told.
#[tokio::test]
async fn markers_that_stay_gone_are_told_soon() {
    let bao = Bao::start(1).await;
    let claim = bao.claim(Some("ours"));
    bao.restore(0, false);
    let case = Case { acknowledged: Some(Moment::now()), ..case(&claim, Some(Answer::Acknowledged)) };
    let proof = prove(&bao.cluster(), &case, None, Duration::from_mins(10)).await;
    assert_eq!(proof.verdict, Verdict::Unknown(Doubt::Replaced));
    let looked = Duration::from_secs(30)..Duration::from_mins(1);
    assert!(looked.contains(&proof.looked), "{:?}", proof.looked);
}

/// Bug: a cluster id of before the restore is held against the leader of afterwards.
#[tokio::test]
async fn a_clone_has_the_cluster_id_of_its_source() {
    let bao = Bao::start(1).await;
    let claim = bao.claim(Some("theirs"));
    bao.restore(0, true);
    let case = case(&claim, None);
    assert_eq!(verdict(&bao, &case).await, Verdict::Unknown(Doubt::OtherCluster));
    bao.server(0, |leader| leader.cluster_id = "theirs");
    assert_eq!(verdict(&bao, &case).await, Verdict::Applied(Applied::Marker));
}

#[tokio::test]
async fn without_a_marker_of_the_snapshot_its_own_204_has_to_be_watched() {
    let bao = Bao::start(1).await;
    let (claim, cluster) = (bao.claim(None), bao.cluster());
    let verdict = async |case: &Case<'_>, pinned| prove(&cluster, case, pinned, AT_ONCE).await.verdict;
    let connected = async || cluster.node(0).unwrap().connect().await.ok();
    let pinned = connected().await;
    bao.restore(0, false);
    let unread = case(&claim, Some(Answer::Acknowledged));
    assert_eq!(verdict(&unread, connected().await).await, Verdict::Unknown(Doubt::NoMarker));
    let read = Case { acknowledged: Some(Moment::now()), ..unread };
    assert_eq!(verdict(&read, None).await, Verdict::Unknown(Doubt::NoMarker), "its connection is gone");
    let other = Bao::start(1).await;
    let to_another = other.cluster().node(0).unwrap().connect().await.ok();
    assert_eq!(verdict(&read, to_another).await, Verdict::Unknown(Doubt::NoMarker), "another process");
    assert_eq!(verdict(&read, pinned).await, Verdict::Applied(Applied::Watched));
    let long = Duration::from_mins(2);
    let late = Case { acknowledged: Some(Moment::ago(AT_ONCE, long)), ..read };
    let still = connected().await;
    assert_eq!(verdict(&late, still).await, Verdict::Unknown(Doubt::NoMarker), "this pod stood still");
}

/// Bug: a leader that hangs during its restore, or answers by halves, is judged.
#[tokio::test]
async fn a_leader_that_does_not_answer_is_asked_again() {
    let bao = Bao::start(1).await;
    let claim = bao.claim(Some("ours"));
    bao.server(0, |leader| leader.marker = 503);
    let (cluster, case) = (bao.cluster(), case(&claim, Some(Answer::Acknowledged)));
    let (proof, ()) = tokio::join!(prove(&cluster, &case, None, Duration::from_mins(1)), async {
        while bao.server(0, |leader| !leader.asked.iter().any(|path| path == "sys/wrapping/lookup")) {
            sleep(Duration::from_millis(5)).await;
        }
        bao.restore(0, true);
        bao.server(0, |leader| leader.marker = 200);
    });
    assert_eq!(proof.verdict, Verdict::Applied(Applied::Marker));
}

/// Bug: a standby, a sealed server or one that was cut off is believed, since it is the only one that answers.
#[tokio::test]
async fn only_the_current_leader_is_asked() {
    let bao = Bao::start(3).await;
    let claim = bao.claim(Some("ours"));
    let case = case(&claim, Some(Answer::Refused));
    let asked =
        |index| bao.server(index, |server| server.asked.iter().any(|path| path == "sys/wrapping/lookup"));
    bao.server(1, |server| server.sealed = true);
    bao.server(2, |server| server.sealed = true);
    let proof = prove(&bao.cluster(), &case, None, AT_ONCE).await;
    assert_eq!(proof.verdict, Verdict::Unknown(Doubt::NoAnswer));
    let sealed: Vec<_> = proof.sealed.iter().map(|one| (one.address.as_str(), one.kind.as_deref())).collect();
    assert_eq!(sealed, [(bao.addresses[1].as_str(), Some("shamir")), (&bao.addresses[2], Some("shamir"))]);
    assert!(!asked(0));
    bao.server(1, |server| server.sealed = false);
    assert_eq!(verdict(&bao, &case).await, Verdict::NotApplied(NotApplied::Refused));
    assert!(asked(0) && !asked(1) && !asked(2));
}

/// Bug: "not applied" while a POST is on its way, or by one look.
#[tokio::test]
async fn a_marker_that_is_there_proves_nothing_before_the_end() {
    let bao = Bao::start(1).await;
    let claim = bao.claim(Some("ours"));
    let over = Case { nothing_on_its_way: true, ..case(&claim, None) };
    assert_eq!(verdict(&bao, &over).await, Verdict::Unknown(Doubt::OnItsWay), "one look");
    let longer = Duration::from_secs(31);
    let proof = prove(&bao.cluster(), &over, None, longer).await;
    assert_eq!(proof.verdict, Verdict::NotApplied(NotApplied::MarkerStays));
}

/// Bug: a cluster that waits for keys of the snapshot's cluster is asked for ten minutes before anybody is told.
#[tokio::test]
async fn after_force_a_sealed_cluster_is_told_at_once() {
    let bao = Bao::start(1).await;
    let claim = bao.claim(Some("ours"));
    bao.server(0, |leader| leader.sealed = true);
    let forced = Case { force: true, ..case(&claim, Some(Answer::Acknowledged)) };
    let proof = prove(&bao.cluster(), &forced, None, Duration::from_mins(10)).await;
    assert_eq!((proof.verdict, proof.sealed.len()), (Verdict::Unknown(Doubt::NoAnswer), 1));
    assert!(proof.looked < Duration::from_mins(1), "{:?}", proof.looked);
}
