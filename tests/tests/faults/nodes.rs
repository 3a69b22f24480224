//! Three servers, and the leader falls over before, during and after the POST. Whatever becomes of it, the verdict is what
//! the leader of afterwards has, and stays so when the old one comes back.

use crate::restore::{APPLIED, NOT_APPLIED, Restore};
use crate::rows::all;
use crate::site::{KEPT, Site, cluster, eventually};
use reqwest::Method;
use serde_json::json;
use tests::fault_proxy::Point;
use tests::openbao::outside::{Seal, Settings};

/// What befalls a leader, or all but it.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed,
    /// Once a standby has the restored data.
    KilledLater,
    Frozen,
    SteppedDown,
    /// The standbys are frozen until the leader has sealed itself.
    Alone,
}

struct Case {
    name: &'static str,
    point: Point,
    fault: Fault,
}

const fn case(name: &'static str, point: Point, fault: Fault) -> Case {
    Case { name, point, fault }
}

const CASES: [Case; 12] = [
    case("killed-before", Point::Head, Fault::Killed),
    case("killed-during", Point::Half, Fault::Killed),
    case("killed-after", Point::Answer, Fault::Killed),
    case("killed-later", Point::Answer, Fault::KilledLater),
    case("frozen-before", Point::Head, Fault::Frozen),
    case("frozen-during", Point::Half, Fault::Frozen),
    case("frozen-after", Point::Answer, Fault::Frozen),
    case("stepped-down-before", Point::Head, Fault::SteppedDown),
    case("stepped-down-during", Point::Half, Fault::SteppedDown),
    case("stepped-down-after", Point::Answer, Fault::SteppedDown),
    case("alone-during", Point::Half, Fault::Alone),
    case("alone-after", Point::Answer, Fault::Alone),
];

/// Does it to the server that led; gives who leads then.
async fn strike(site: &mut Site, leader: usize, fault: Fault) {
    match fault {
        Fault::Killed => site.outside.nodes[leader].kill().await,
        Fault::KilledLater => {
            let standby = standbys(site, leader).next().unwrap();
            let address = site.outside.nodes[standby].openbao.address.clone();
            let installed = async || {
                let read = site.scenario.read_from(&address).await.ok();
                read.filter(|value| value == KEPT)
            };
            eventually("a standby has the restored data", installed).await;
            site.outside.nodes[leader].kill().await;
        }
        Fault::Frozen => site.outside.nodes[leader].freeze(),
        Fault::SteppedDown => {
            let address = site.outside.nodes[leader].openbao.address.clone();
            site.scenario.ask(&address, Method::PUT, "sys/step-down", json!({})).await.unwrap();
        }
        Fault::Alone => standbys(site, leader).for_each(|node| site.outside.nodes[node].freeze()),
    }
}

async fn heal(site: &mut Site, leader: usize, fault: Fault) {
    match fault {
        Fault::Killed | Fault::KilledLater => site.outside.nodes[leader].start().await.unwrap(),
        Fault::Frozen => site.outside.nodes[leader].thaw(),
        Fault::SteppedDown => {}
        Fault::Alone => standbys(site, leader).for_each(|node| site.outside.nodes[node].thaw()),
    }
}

fn standbys(site: &Site, leader: usize) -> impl Iterator<Item = usize> {
    (0..site.outside.nodes.len()).filter(move |node| *node != leader)
}

async fn is_judged_rightly(client: &kube::Client, case: &Case) {
    let settings = Settings { replicas: 3, ..Settings::one(case.name, Seal::fresh("local").unwrap()) };
    let mut site = Site::start(client, &settings).await;
    site.outside.wait_for_voters().await.unwrap();
    let key = site.lose().await;
    let leader = site.outside.leader().await.unwrap();
    let stopped = site.proxies[leader].stop_at(case.point);
    let restore = site.restore(case.name, &key, &json!({})).await;
    let held = restore.held(stopped).await;
    restore.is_undecided().await;
    strike(&mut site, leader, case.fault).await;
    held.go_on();
    println!("{}: struck", case.name);
    if matches!(case.fault, Fault::Alone) {
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
    if !matches!(case.fault, Fault::Alone) {
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
