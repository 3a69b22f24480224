//! The marker of a snapshot: when it is made and consumed, and what is said where it proves nothing.

use super::*;
use crate::openbao::Leader;
use crate::testing::Markers;
use api::task::SnapshotMarker;
use archive::ManifestMarker;

/// What a cluster does about markers.
type Change = fn(&mut Markers);

/// The marker in the manifest of this backup.
fn written(lab: &Lab, made: &Made) -> Option<ManifestMarker> {
    let manifest = lab.store.object(&archive::keys::manifest(&made.key));
    archive::Manifest::parse(&manifest).unwrap().marker
}

/// One that an earlier pod has left.
fn earlier(token: &str) -> SnapshotMarker {
    let time = |year: u16| Time(format!("{year}-03-20T02:00:00Z").parse().unwrap());
    SnapshotMarker { token: token.to_owned(), created: time(2026), expires: time(2036) }
}

fn alive(lab: &Lab, token: &str) -> bool {
    lab.bao.markers(|markers| markers.alive.contains(token))
}

/// Makes a marker, does this to the world, and consumes the marker; gives what is said of a snapshot that ends here.
async fn meanwhile(lab: &Lab, change: impl FnOnce(&mut Leader), then: impl FnOnce()) -> Option<String> {
    let (work, store) = (lab.work(), lab.bucket());
    let site = Site::open(&work, &store).unwrap();
    let (mut leader, node) = site.leader().await.unwrap();
    change(&mut leader);
    let minted = lab.told(site.mint(&Session::at(node.clone()), &leader)).await;
    then();
    let consumed = site.consume().await;
    let (marker, remark) = site.judge(minted, &consumed, 9);
    assert_eq!(marker.is_some(), remark.is_none(), "{remark:?}");
    remark
}

/// Bug: the marker is not in the data of the snapshot, or it is in those of the cluster too.
#[tokio::test]
async fn a_marker_is_made_before_the_snapshot_and_consumed_after_it() {
    let lab = Lab::new().await;
    let made = lab.make().await.unwrap();
    let expected = ManifestMarker {
        token: "s.m1".to_owned(),
        creation_time: lab.bao.server(0, |leader| leader.now),
        ttl_seconds: 315_360_000,
    };
    assert_eq!((written(&lab, &made), &made.remark), (Some(expected), &None));
    assert!(!alive(&lab, "s.m1"));
    let asked = lab.bao.server(0, |leader| leader.asked.clone());
    let first = |path: &str| asked.iter().position(|asked| asked == path).unwrap();
    let order = ["sys/wrapping/wrap", "sys/storage/raft/snapshot", "sys/wrapping/unwrap"].map(first);
    assert!(order.is_sorted(), "{asked:?}");
}

/// Bug: a marker costs a backup; or a manifest names one that proves nothing; or nobody is told.
#[tokio::test]
async fn what_is_wrong_with_a_marker_is_told_and_fails_nothing() {
    let policy = "the policy of the backup does not let it call sys/wrapping/wrap; a restore of it can be proved only by a 204 that was read and watched. Add to its policy: path \"sys/wrapping/wrap\" {";
    let cases: [(Change, bool, &str); 6] = [
        (|markers| markers.wraps = 403, false, policy),
        (|markers| markers.wraps = 404, false, "404 as the test says"),
        (|markers| markers.index = None, false, "at which index"),
        (|markers| markers.index = Some(1_000_000), false, "its own was made at 1000000"),
        (|markers| markers.grants = 3600, true, "live until 2031-03-03T04:00:00Z only"),
        (|markers| markers.unwraps = 500, false, "could not be consumed in the cluster"),
    ];
    for (change, marked, text) in cases {
        let lab = Lab::new().await;
        lab.bao.markers(change);
        let made = lab.make().await.unwrap_or_else(|report| panic!("{text}: {:?}", report.problems));
        let remark = made.remark.clone().unwrap();
        assert!(remark.contains(text) && remark.contains("a 204 that was read and watched"), "{remark}");
        assert_eq!(written(&lab, &made).is_some(), marked, "{text}");
        let left = lab.progress.left().markers;
        let is_left = left.iter().map(|marker| marker.token.as_str()).collect::<Vec<_>>();
        assert_eq!(is_left, lab.bao.markers(|markers| markers.of_backups()), "{text}");
    }
}

/// Bug: data that somebody replaced in the middle are taken for those of the snapshot.
#[tokio::test]
async fn a_marker_of_other_data_is_in_no_manifest() {
    let lab = Lab::new().await;
    let remark = meanwhile(&lab, |leader| leader.cluster_id = None, || {}).await.unwrap();
    assert!(remark.contains("the id of its cluster"), "{remark}");
    let replaced = || lab.bao.markers(|markers| markers.alive.clear());
    let remark = meanwhile(&lab, |_| {}, replaced).await.unwrap();
    assert!(remark.contains("somebody replaced the data meanwhile"), "{remark}");
    assert_eq!(lab.progress.left().markers, []);
}

/// Bug: a leader that steps down, or is sealed, after it gave the snapshot leaves the marker in the cluster.
#[tokio::test]
async fn whoever_leads_then_consumes_the_marker() {
    let lab = Lab::new().await;
    let moves = || {
        lab.bao.server(0, |server| (server.sealed, server.leads) = (true, false));
        for index in [1, 2] {
            lab.bao.server(index, |server| {
                (server.leads, server.leader) = (index == 1, lab.bao.addresses[1].clone());
            });
        }
    };
    assert_eq!(meanwhile(&lab, |_| {}, moves).await, None);
    assert!(!alive(&lab, "s.m1"));
    assert_eq!(lab.progress.left().markers, []);
}

/// Bug: a marker of a killed pod lives on in the cluster; or the ticket forgets one that could not be consumed.
#[tokio::test]
async fn markers_of_earlier_pods_are_consumed_first_or_handed_on() {
    let mut lab = Lab::new().await;
    lab.task.backup.as_mut().unwrap().unconsumed = vec![earlier("s.m"), earlier("s.gone")];
    let made = lab.make().await.unwrap();
    assert_eq!((made.remark, alive(&lab, "s.m"), lab.progress.left()), (None, false, Left::default()));
    let asked = lab.bao.server(0, |leader| leader.asked.clone());
    let first = |path: &str| asked.iter().position(|asked| asked == path).unwrap();
    assert!(first("sys/wrapping/unwrap") < first("sys/wrapping/wrap"), "{asked:?}");

    lab.task.backup.as_mut().unwrap().unconsumed = vec![earlier("s.m")];
    lab.bao.markers(|markers| {
        markers.alive.insert("s.m".to_owned());
        markers.unwraps = 500;
    });
    let remark = lab.make().await.unwrap().remark.unwrap();
    assert!(remark.contains("Markers of earlier backups live in the cluster (1)"), "{remark}");
    let left = lab.progress.left().markers;
    assert_eq!(left.iter().map(|marker| marker.token.as_str()).collect::<Vec<_>>(), ["s.m", "s.m2"]);
}
