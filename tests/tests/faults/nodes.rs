//! Three servers, and the leader falls over before, during and after the POST. Whatever becomes of it, the verdict is what
//! the leader of afterwards has, and stays so when the old one comes back.

use crate::restore::{APPLIED, NOT_APPLIED, Restore, Verdict};
use crate::rows::all;
use crate::site::{KEPT, Site, cluster, eventually};
use api::conditions::Reason;
use futures::FutureExt;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tests::fault_proxy::Point;
use tests::harness::{lane, sample};
use tests::openbao::outside::{Seal, Settings};
use tokio::time::timeout;

/// What befalls the leader.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed,
    /// Once a standby has the restored data.
    KilledLater,
    Frozen,
    /// Told to step down. A POST on its way holds that up.
    SteppedDown,
    /// The same, until another leads.
    Replaced,
    /// Its standbys are frozen until it has sealed itself: a leader without a quorum gives up after 0.5 s.
    Alone(Since),
}

/// When the standbys are frozen. It begins to install the snapshot 0.5 s after its answer.
#[derive(Clone, Copy, Debug)]
enum Since {
    /// So that it gives up before it installs.
    Before,
    /// So that it gives up while it installs.
    Soon,
    /// So that it gives up while it tells the others.
    Installed,
}

struct Case {
    name: &'static str,
    point: Point,
    fault: Fault,
}

const fn case(name: &'static str, point: Point, fault: Fault) -> Case {
    Case { name, point, fault }
}

/// A snapshot that was taken, not installed; installed here and not there; and one that went to a standby.
const TRUTHS: [Case; 3] = [
    case("alone-before", Point::Half, Fault::Alone(Since::Before)),
    case("alone-installed", Point::Answer, Fault::Alone(Since::Installed)),
    case("replaced-before", Point::Head, Fault::Replaced),
];

const OTHERS: [Case; 10] = [
    case("alone-soon", Point::Answer, Fault::Alone(Since::Soon)),
    case("stepped-down-during", Point::Half, Fault::SteppedDown),
    case("replaced-after", Point::Answer, Fault::Replaced),
    case("leader-killed-before", Point::Head, Fault::Killed),
    case("leader-killed-during", Point::Half, Fault::Killed),
    case("leader-killed-after", Point::Answer, Fault::Killed),
    case("leader-killed-later", Point::Answer, Fault::KilledLater),
    case("leader-frozen-before", Point::Head, Fault::Frozen),
    case("leader-frozen-during", Point::Half, Fault::Frozen),
    case("leader-frozen-after", Point::Answer, Fault::Frozen),
];

/// An election takes a few seconds.
const ELECTED_WITHIN: Duration = Duration::from_secs(30);

/// Values that make 0.3 s of installing.
const BALLAST: usize = 70;

impl Case {
    fn ballast(&self) -> usize {
        if matches!(self.fault, Fault::Alone(Since::Soon)) { BALLAST } else { 0 }
    }
}

/// Does it to the server that leads.
async fn strike(site: &mut Site, leader: usize, fault: Fault) {
    match fault {
        Fault::Killed => site.outside.nodes[leader].kill().await,
        Fault::KilledLater => {
            let standby = standbys(site, leader).next().unwrap();
            let address = site.outside.nodes[standby].openbao.address.clone();
            let read = async || site.scenario.read_from(&address).await.ok();
            let installed = async || read().await.filter(|value| value == KEPT);
            eventually("a standby has the restored data", installed).await;
            site.outside.nodes[leader].kill().await;
        }
        Fault::Frozen => site.outside.nodes[leader].freeze(),
        Fault::SteppedDown | Fault::Replaced => {
            let address = site.outside.nodes[leader].openbao.address.clone();
            site.scenario.ask(&address, Method::PUT, "sys/step-down", json!({})).await.unwrap();
            if matches!(fault, Fault::SteppedDown) {
                return;
            }
            let other = async || (site.outside.leader().await.unwrap() != leader).then_some(());
            eventually("another leads", other).await;
        }
        Fault::Alone(since) => {
            match since {
                Since::Before => {}
                // Not a wait for something: this much later is the case.
                Since::Soon => tokio::time::sleep(Duration::from_millis(150)).await,
                Since::Installed => {
                    site.outside.nodes[leader].logged("restored user snapshot").await.unwrap();
                }
            }
            standbys(site, leader).for_each(|node| site.outside.nodes[node].freeze());
        }
    }
}

/// Undoes it.
async fn heal(site: &mut Site, leader: usize, fault: Fault) {
    match fault {
        Fault::Killed | Fault::KilledLater => site.outside.nodes[leader].start().await.unwrap(),
        Fault::Frozen => site.outside.nodes[leader].thaw(),
        Fault::SteppedDown | Fault::Replaced => {}
        Fault::Alone(_) => {
            standbys(site, leader).for_each(|node| site.outside.nodes[node].thaw());
            if timeout(ELECTED_WITHIN, site.outside.leader()).await.is_err() {
                restart_standbys(site, leader).await;
            }
        }
    }
}

/// What only people can do: seen once in OpenBao, each of two standbys refuses the other for ever ("rejecting pre-vote request
/// since we have a leader"), since the one that sealed itself was the last that sent them a snapshot.
async fn restart_standbys(site: &mut Site, leader: usize) {
    for node in standbys(site, leader).collect::<Vec<_>>() {
        site.outside.nodes[node].kill().await;
        site.outside.nodes[node].start().await.unwrap();
    }
}

fn standbys(site: &Site, leader: usize) -> impl Iterator<Item = usize> {
    (0..site.outside.nodes.len()).filter(move |node| *node != leader)
}

async fn is_judged_rightly(client: &kube::Client, case: &Case) {
    let settings = Settings { replicas: 3, ..Settings::one(case.name, Seal::fresh("local").unwrap()) };
    let mut site = Site::start(client, &settings).await;
    site.outside.wait_for_voters().await.unwrap();
    site.scenario.fill(case.ballast()).await.unwrap();
    let key = site.lose().await;
    let leader = site.outside.leader().await.unwrap();
    let stopped = site.proxies[leader].stop_at(case.point);
    let restore = site.restore(case.name, &key, &json!({})).await;
    let held = restore.held(stopped).await;
    restore.is_undecided().await;
    strike(&mut site, leader, case.fault).await;
    held.go_on();
    if matches!(case.fault, Fault::Alone(_)) {
        site.outside.wait_until_sealed(leader).await.unwrap();
        heal(&mut site, leader, case.fault).await;
    }
    let value = site.value().await;
    if value != KEPT {
        restore.is_undecided().await;
        restore.kill().await;
    }
    judge(&restore, &site, leader).await;
    for said in ["restored user snapshot", "node is not the leader", "leadership lost while committing log"] {
        if site.outside.nodes[leader].log().unwrap().contains(said) {
            println!("{}: the old leader logged {said:?}", case.name);
        }
    }
    if !matches!(case.fault, Fault::Alone(_)) {
        heal(&mut site, leader, case.fault).await;
        assert_eq!(site.value().await, value, "{}: the old leader came back", case.name);
    }
}

/// By what the leader has; a server that has sealed itself is not left without a word.
async fn judge(restore: &Restore, site: &Site, old: usize) {
    let expected = if site.value().await == KEPT { APPLIED } else { NOT_APPLIED };
    let steps = restore.judge(site, &expected).await.status.unwrap().next_steps.join("\n");
    if site.outside.is_sealed(old).await.unwrap() {
        let address = &site.proxies[old].address;
        let word = if expected.value == KEPT { "Restart" } else { "Do not unseal" };
        assert!(steps.contains(&format!("{word} {address}")), "{steps}");
    }
}

/// Bug: a snapshot is sent to a standby, which answers 204 and seals itself.
async fn a_standby_is_not_taken_for_the_leader(client: &kube::Client) {
    let name = "standby-only";
    let settings = Settings { replicas: 3, ..Settings::one("standbys", Seal::fresh("local").unwrap()) };
    let site = Site::start(client, &settings).await;
    let key = site.lose().await;
    let standby = standbys(&site, site.outside.leader().await.unwrap()).next().unwrap();
    site.register(name, &site.proxies[standby..=standby]).await;
    let expected = Verdict { reason: Reason::NoLeader, posts: 0, ..NOT_APPLIED };
    site.restore(name, &key, &json!({"cluster": name})).await.judge(&site, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_falls_decides_nothing_by_it() {
    let _lane = lane().await;
    let client = &cluster().client().await;
    let sample = sample(2, OTHERS.len());
    let first = usize::try_from(sample.seed % OTHERS.len() as u64).unwrap();
    let others = OTHERS.iter().cycle().skip(first).take(sample.count);
    let rows = TRUTHS.iter().chain(others).map(|case| is_judged_rightly(client, case).boxed_local());
    all(rows.chain([a_standby_is_not_taken_for_the_leader(client).boxed_local()]), 4).await;
}
