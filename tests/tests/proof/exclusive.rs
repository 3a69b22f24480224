//! One OpenBao, one operation: by whatever OpenBaoCluster it is reached, and whatever becomes of its connection.

use crate::place::{by, cluster, place};
use api::conditions::Reason;
use api::{OpenBaoCluster, OpenBaoRestore, Phase};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use tests::fault_proxy::{How, Where};
use tests::harness::lane;
use tests::openbao::outside::{Outside, Seal, Settings};
use tests::site::{APPLIED, KEPT, LOST, NOT_APPLIED, Place, Restore, Site, Verdict, condition};

/// What keeps policies in force.
const BINDINGS: &str = "validatingadmissionpolicybindings";

async fn site(place: &Place, name: &str, beside: &[&str]) -> (Site, String) {
    let site = Site::start(place, &Settings::one(name, Seal::fresh("local").unwrap())).await.unwrap();
    site.scenario.fill(1).await.unwrap();
    for other in beside {
        register_beside(&site, other).await;
    }
    let key = site.lose().await.unwrap();
    (site, key)
}

/// Another OpenBaoCluster of the same servers, which may be backed up and restored too.
async fn register_beside(site: &Site, name: &str) {
    site.scenario.admit(name).await.unwrap();
    site.register(name, &site.proxies).await.unwrap();
    let mut backup = site.scenario.backup();
    backup["jwtAuthRole"] = json!(format!("backup-{name}"));
    site.place.patch(name, &json!({"spec": {"backup": backup}})).await.unwrap();
}

/// Waits until it says that it waits for this reason, and names somebody.
async fn waits(restore: &Restore, place: &Place, reason: Reason, named: &str) {
    let told = async || {
        let object = restore.stored().await;
        let is_it = condition(&object, "LockHeld") == ("False", reason.as_str());
        is_it.then_some(object)
    };
    let object = place.eventually(&format!("{} waits for {named}", restore.name), told).await;
    let status = object.status.unwrap_or_default();
    let condition = status.conditions.iter().find(|condition| condition.type_ == "LockHeld").cloned();
    let message = condition.map(|condition| condition.message).unwrap_or_default();
    assert!(message.contains(named), "{}: {message}", restore.name);
}

fn end(object: &OpenBaoRestore) -> (Phase, &str) {
    (object.status.as_ref().map(|status| status.phase).unwrap_or_default(), condition(object, "Finished").1)
}

/// Bug: one OpenBao is restored by two of its names at once, and one is told that its snapshot was not applied, since the
/// other's held its marker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clusters_of_one_openbao_restore_one_after_the_other() {
    let _lane = lane().await;
    let place = place().await;
    let (site, key) = site(&place, "first", &["second"]).await;
    let stopped = site.proxies[0].stop_at(Where::Half);
    let first = site.restore("first-of-two", &key, &json!({})).await.unwrap();
    let held = first.held(stopped).await;
    let second = site.restore("second-of-two", &key, &by("second")).await.unwrap();
    waits(&second, &place, Reason::OpenBaoBusy, "first-of-two").await;
    assert_eq!(site.posts(), 1, "both are posted");
    held.go_on();
    first.judge(&site, &APPLIED).await;
    // It was checked before the data became others.
    let second = second.ended().await;
    assert_eq!(end(&second), (Phase::Failed, Reason::Superseded.as_str()), "{second:?}");
    assert_eq!(site.tails(), 1);
}

/// Bug: a backup by the other OpenBaoCluster is taken while a POST is on its way, holds its marker, and is restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_meanwhile_makes_no_false_verdict() {
    let _lane = lane().await;
    let place = place().await;
    let (site, key) = site(&place, "slow", &["twin"]).await;
    let stopped = site.proxies[0].stop_at(Where::Half);
    let first = site.restore("slow-one", &key, &json!({})).await.unwrap();
    let held = first.held(stopped).await;
    place.ask_for_backup("twin").await.unwrap();
    let told = async || place.status("twin").await.unwrap()["backup"]["lastBackupName"].clone();
    let made = async || told().await.as_str().map(str::to_owned);
    let backup = place.eventually("the other's backup", made).await;
    held.go_on();
    let judged = first.judge(&site, &APPLIED).await;
    println!("{:?}", judged.status.and_then(|status| status.message));
    let again = site.restore("slow-two", &backup, &by("twin")).await.unwrap();
    let again = again.ended().await;
    assert_eq!(end(&again), (Phase::Completed, Reason::Proved.as_str()), "{again:?}");
    assert_eq!(end(&first.stored().await), (Phase::Completed, Reason::Proved.as_str()));
}

/// Bug: what was checked is restored over what another restore has brought since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_while_an_override_was_applied_is_superseded() {
    let _lane = lane().await;
    let place = place().await;
    let (site, key) = site(&place, "overridden", &[]).await;
    let clusters: Api<OpenBaoCluster> = place.objects();
    let lock = json!({"status": {"operationLock": {"operation": "Upgrade", "holder": "somebody/else", "message": "upgrades"}}});
    clusters.patch_status(&site.name, &PatchParams::default(), &Patch::Merge(&lock)).await.unwrap();
    let locked = site.restore("locked", &key, &json!({})).await.unwrap();
    waits(&locked, &place, Reason::LockHeldByOther, "somebody/else").await;
    let force = json!({"force": true, "overrideOperationLock": true});
    let over = site.restore("override", &key, &force).await.unwrap();
    over.judge(&site, &APPLIED).await;
    let superseded = Verdict { reason: Reason::Superseded, tails: 1, value: KEPT, ..NOT_APPLIED };
    locked.judge(&site, &superseded).await;
    assert_eq!(site.posts(), 1);
}

/// What kubectl says of a change to another OpenBao.
fn turn(site: &Site, elsewhere: &Outside) -> tests::harness::Output {
    let patch = json!({"spec": {"connection": {"addresses": [elsewhere.openbao.address]}}}).to_string();
    let arguments =
        ["patch", "openbaocluster", &site.name, "-n", &site.place.namespace, "--type=merge", "-p", &patch];
    cluster().kubectl(&arguments, None)
}

/// Bug: the connection is turned to another OpenBao under a restore, and the proof asks that one. The API server refuses
/// it; and where nobody refuses it, the proof asks the servers of the claim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_does_not_turn_under_a_restore() {
    let _lane = lane().await;
    let place = place().await;
    let settings = Settings { read_timeout: "20s", ..Settings::one("turns", Seal::fresh("local").unwrap()) };
    let site = Site::start(&place, &settings).await.unwrap();
    site.scenario.fill(1).await.unwrap();
    let elsewhere = Settings::one("turned-to", Seal::fresh("local").unwrap());
    let elsewhere = Outside::start(cluster(), &elsewhere).await.unwrap();
    let key = site.lose_by_backup().await.unwrap();
    for (name, how) in [("turns-refused", How::Stall(Duration::ZERO)), ("turns-after", How::Reset)] {
        site.scenario.write(LOST).await.unwrap();
        let stopped = site.proxies[0].stop_at(Where::AfterTail);
        let restore = site.restore(name, &key, &json!({})).await.unwrap();
        let held = restore.held(stopped).await;
        let refused = turn(&site, &elsewhere);
        assert!(refused.code != 0 && refused.stderr.contains("spec.connection"), "{}", refused.stderr);
        if how == How::Reset {
            turn_unguarded(&site, &elsewhere).await;
        }
        held.end(how);
        restore.judge(&site, &APPLIED).await;
    }
    assert!(!elsewhere.nodes[0].log().unwrap().contains("restored user snapshot"));
}

/// Turns the connection while no policy is in force.
async fn turn_unguarded(site: &Site, elsewhere: &Outside) {
    let listed = cluster().kubectl(&["get", BINDINGS, "-o", "json"], None);
    let mut bindings: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(cluster().kubectl(&["delete", BINDINGS, "--all"], None).code, 0);
    // The API server judges by them for a moment longer.
    let turned = async || (turn(site, elsewhere).code == 0).then_some(());
    site.place.eventually("nobody refuses it", turned).await;
    for binding in bindings["items"].as_array_mut().unwrap() {
        let kept = ["name", "labels", "annotations"]
            .map(|field| (field.to_owned(), binding["metadata"][field].clone()));
        binding["metadata"] = Value::Object(kept.into_iter().collect());
    }
    assert_eq!(cluster().kubectl(&["apply", "-f", "-"], Some(&bindings.to_string())).code, 0);
}
