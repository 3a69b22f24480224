//! Three servers, and the leader falls over before, during and after the POST. Whatever becomes of it, the verdict is what
//! the leader of afterwards has, and stays so when the old one comes back.

use crate::restore::{APPLIED, NOT_APPLIED, Restore};
use crate::rows::all;
use crate::site::{KEPT, Site, cluster, eventually};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tests::fault_proxy::Point;
use tests::openbao::outside::{Seal, Settings};

/// What befalls the leader.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed,
    /// Once a standby has the restored data.
    KilledLater,
    Frozen,
    /// Another leads, and it knows.
    SteppedDown,
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

const CASES: [Case; 13] = [
    case("alone-before", Point::Half, Fault::Alone(Since::Before)),
    case("alone-soon", Point::Answer, Fault::Alone(Since::Soon)),
    case("alone-installed", Point::Answer, Fault::Alone(Since::Installed)),
    case("stepped-down-before", Point::Head, Fault::SteppedDown),
    case("stepped-down-during", Point::Half, Fault::SteppedDown),
    case("stepped-down-after", Point::Answer, Fault::SteppedDown),
    case("killed-before", Point::Head, Fault::Killed),
    case("killed-during", Point::Half, Fault::Killed),
    case("killed-after", Point::Answer, Fault::Killed),
    case("killed-later", Point::Answer, Fault::KilledLater),
    case("frozen-before", Point::Head, Fault::Frozen),
    case("frozen-during", Point::Half, Fault::Frozen),
    case("frozen-after", Point::Answer, Fault::Frozen),
];

/// A snapshot that takes a while to install: 700 KB each.
const BALLAST: usize = 100;

impl Case {
    fn ballast(&self) -> usize {
        if matches!(self.fault, Fault::Alone(_)) { BALLAST } else { 0 }
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
        Fault::SteppedDown => {
            let address = site.outside.nodes[leader].openbao.address.clone();
            site.scenario.ask(&address, Method::PUT, "sys/step-down", json!({})).await.unwrap();
            let other = async || (site.outside.leader().await.unwrap() != leader).then_some(());
            eventually("another leads", other).await;
        }
        Fault::Alone(since) => {
            match since {
                Since::Before => {}
                // Not a wait for something: this much later is the case.
                Since::Soon => tokio::time::sleep(Duration::from_millis(150)).await,
                Since::Installed => {
                    let log = || site.outside.nodes[leader].log().unwrap();
                    let installed = async || log().contains("restored user snapshot").then_some(());
                    eventually("the leader has installed the snapshot", installed).await;
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
        Fault::SteppedDown => {}
        Fault::Alone(_) => standbys(site, leader).for_each(|node| site.outside.nodes[node].thaw()),
    }
}

fn standbys(site: &Site, leader: usize) -> impl Iterator<Item = usize> {
    (0..site.outside.nodes.len()).filter(move |node| *node != leader)
}

async fn is_judged_rightly(client: &kube::Client, case: &Case) {
    let settings = Settings { replicas: 3, ..Settings::one(case.name, Seal::fresh("local").unwrap()) };
    let mut site = Site::start(client, &settings).await;
    site.outside.wait_for_voters().await.unwrap();
    site.fill(case.ballast()).await;
    let key = site.lose().await;
    let leader = site.outside.leader().await.unwrap();
    let stopped = site.proxies[leader].stop_at(case.point);
    let restore = site.restore(case.name, &key, &json!({})).await;
    let held = restore.held(stopped).await;
    restore.is_undecided().await;
    strike(&mut site, leader, case.fault).await;
    held.go_on();
    println!("{}: struck", case.name);
    if matches!(case.fault, Fault::Alone(_)) {
        site.outside.wait_until_sealed(leader).await.unwrap();
        heal(&mut site, leader, case.fault).await;
    }
    let value = site.value().await;
    println!("{}: then {value}", case.name);
    if value != KEPT {
        restore.is_undecided().await;
        restore.kill().await;
    }
    judge(&restore, &site).await;
    if !matches!(case.fault, Fault::Alone(_)) {
        heal(&mut site, leader, case.fault).await;
        assert_eq!(site.value().await, value, "{}: the old leader came back", case.name);
    }
}

/// By what the leader has.
async fn judge(restore: &Restore, site: &Site) {
    let expected = if site.value().await == KEPT { APPLIED } else { NOT_APPLIED };
    let done = restore.judge(site, &expected).await;
    println!("{:#?}", done.status.unwrap().next_steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_falls_decides_nothing_by_it() {
    let client = &cluster().client().await;
    all(CASES.iter().map(|case| is_judged_rightly(client, case)), 4).await;
}
