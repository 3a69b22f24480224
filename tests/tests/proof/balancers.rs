//! One address before three servers, in each form that people build: whoever is behind it, no standby is ever sent a
//! snapshot, and the request says what to name instead.

use crate::place::{by, cluster, place};
use api::conditions::Reason;
use api::{OpenBaoRestore, Phase};
use reqwest::Method;
use serde_json::json;
use std::net::SocketAddr;
use tests::balancer::Balancer;
use tests::fault_proxy::{FaultProxy, Where};
use tests::harness::{free_ports, lane, sample, some_of};
use tests::node::ENDPOINTS;
use tests::openbao::outside::{Seal, Settings};
use tests::site::{LOST, NOT_APPLIED, Place, Site, Verdict, all};

const SERVERS: usize = 3;
/// Orders of four deals over three servers.
const ORDERS: usize = SERVERS.pow(4);
/// Of them, in the suite.
const TRIED: usize = 8;
const AT_ONCE: usize = 4;

/// The others are the `OpenBaoClusters` by which it is to be restored.
async fn three(place: &Place, name: &str, others: &[&str]) -> (Site, String) {
    let settings = Settings { replicas: SERVERS, ..Settings::one(name, Seal::fresh("local").unwrap()) };
    let site = Site::start(place, &settings).await.unwrap();
    site.outside.wait_for_voters().await.unwrap();
    for other in others {
        site.scenario.admit(other).await.unwrap();
    }
    let key = site.lose().await.unwrap();
    (site, key)
}

/// The digits of a number are the order.
fn order(mut number: usize) -> [usize; 4] {
    [(); 4].map(|()| {
        let server = number % SERVERS;
        number /= SERVERS;
        server
    })
}

/// The check refuses it for this reason, and says what to name.
async fn is_refused(site: &Site, name: &str, key: &str, reason: Reason) {
    let restore = site.restore(name, key, &by(name)).await.unwrap();
    let refused = restore.judge(site, &Verdict { reason, ..NOT_APPLIED }).await;
    let message = refused.status.unwrap_or_default().message.unwrap_or_default();
    assert!(message.contains("spec.connection.addresses"), "{name}: {message}");
}

/// From now on a restore may send a snapshot, and not ask how many servers there are.
async fn asks_for_nothing_else(site: &Site) {
    let policy = json!({"policy": r#"path "sys/storage/raft/snapshot" { capabilities = ["update"] }"#});
    site.scenario.bao(Method::POST, "sys/policies/acl/restore", policy).await.unwrap();
}

/// What somebody says who has three servers and names one: the request ends as it likes, but no standby has a byte of it.
async fn harms_nobody(site: &Site, name: &str, key: &str) -> OpenBaoRestore {
    let leader = site.outside.leader().await.unwrap();
    let restore = site.restore(name, key, &by(name)).await.unwrap();
    let ended = restore.ended().await;
    let phase = ended.status.as_ref().map(|status| status.phase).unwrap_or_default();
    println!("{name}: {phase:?} {:?}", ended.status.as_ref().and_then(|status| status.message.as_deref()));
    for standby in (0..SERVERS).filter(|server| *server != leader) {
        assert_eq!(site.proxies[standby].posts(), 0, "{name}: a standby was sent a snapshot");
        assert!(!site.outside.is_sealed(standby).await.unwrap(), "{name}: a standby sealed itself");
    }
    let value = site.value().await.unwrap();
    assert_eq!(value != LOST, phase == Phase::Completed, "{name}: {ended:?}");
    site.scenario.write(LOST).await.unwrap();
    ended
}

/// Bug: a snapshot goes to a standby that a balancer has dealt the connection to, and that one seals itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_before_three_servers_is_refused_in_whatever_order_it_deals() {
    let _lane = lane().await;
    let orders: Vec<[usize; 4]> = (0..ORDERS).map(order).collect();
    let tried = some_of(&orders, &sample(TRIED, ORDERS));
    let named = |what| (0..tried.len()).map(move |number| format!("dealt-{what}-{number}"));
    let (said, unsaid): (Vec<_>, Vec<_>) = (named("said").collect(), named("unsaid").collect());
    let others: Vec<&str> = said.iter().chain(&unsaid).map(String::as_str).collect();
    let (site, key) = three(&place().await, "dealt", &others).await;
    let refused = tried.iter().zip(&said).map(async |(order, name)| {
        let balancer = Balancer::of_connections(&site.proxies, order).await.unwrap();
        let address = [balancer.address.as_str()];
        site.register_as(name, SERVERS, &address, &balancer.authorities).await.unwrap();
        is_refused(&site, name, &key, Reason::AddressMissing).await;
    });
    all(refused, AT_ONCE).await;
    assert_eq!((site.posts(), site.value().await.unwrap().as_str()), (0, LOST));
    asks_for_nothing_else(&site).await;
    for (order, name) in tried.iter().zip(&unsaid).take(tried.len() / 2) {
        let balancer = Balancer::of_connections(&site.proxies, order).await.unwrap();
        site.register_as(name, 1, &[&balancer.address], &balancer.authorities).await.unwrap();
        harms_nobody(&site, name, &key).await;
    }
}

/// Bug: servers that all call themselves by one address cannot be told apart, and the snapshot goes to whichever is met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_share_an_api_address_are_refused() {
    let _lane = lane().await;
    let one = Settings::one("one-api-address", Seal::fresh("local").unwrap());
    let settings = Settings { replicas: SERVERS, is_one_address: true, ..one };
    let site = Site::start(&place().await, &settings).await.unwrap();
    site.outside.wait_for_voters().await.unwrap();
    let key = site.lose().await.unwrap();
    let restore = site.restore("one-api-address", &key, &json!({})).await.unwrap();
    let reason = Reason::AddressShared;
    let refused = restore.judge(&site, &Verdict { reason, ..NOT_APPLIED }).await;
    let message = refused.status.unwrap_or_default().message.unwrap_or_default();
    assert!(message.contains("api_addr of its own"), "{message}");
    assert_eq!(site.posts(), 0);
}

/// Bug: who leads is asked of one server, and the POST on the same connection is given to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_that_deals_each_request_is_refused() {
    let _lane = lane().await;
    let (site, key) = three(&place().await, "each-request", &["each-request-named"]).await;
    let mut balancers = Vec::new();
    for order in [[0, 1, 2], [1, 2, 0], [2, 0, 1]] {
        balancers.push(Balancer::of_requests(&site.proxies, &order).await.unwrap());
    }
    let addresses: Vec<&str> = balancers.iter().map(|balancer| balancer.address.as_str()).collect();
    let authorities: String = balancers.iter().map(|balancer| balancer.authorities.as_str()).collect();
    site.register_as("each-request-named", SERVERS, &addresses, &authorities).await.unwrap();
    is_refused(&site, "each-request-named", &key, Reason::AddressShared).await;
    assert_eq!((site.posts(), site.value().await.unwrap().as_str()), (0, LOST));
}

/// A Service without a selector that leads to these proxies.
fn service(place: &Place, name: &str, cluster_ip: Option<&str>, port: u16, behind: &[SocketAddr]) {
    let endpoints: Vec<String> = behind.iter().map(ToString::to_string).collect();
    let mut spec = json!({"ports": [{"port": port}]});
    if let Some(ip) = cluster_ip {
        spec["clusterIP"] = json!(ip);
    }
    let annotations = json!({ENDPOINTS: endpoints.join(",")});
    let object = json!({
        "apiVersion": "v1", "kind": "Service", "spec": spec,
        "metadata": {"name": name, "namespace": place.namespace, "annotations": annotations},
    });
    let applied = cluster().kubectl(&["apply", "-f", "-"], Some(&object.to_string()));
    assert_eq!(applied.code, 0, "{}", applied.stderr);
}

/// Proxies in the place of a site's own, each with an address of its own and one port, and all with this name.
fn named(site: &mut Site, name: &str) -> (u16, Vec<SocketAddr>) {
    let port = free_ports(1).unwrap()[0];
    let addresses: Vec<SocketAddr> =
        (1..).zip(&site.outside.nodes).map(|(last, _)| ([127, 98, 0, last], port).into()).collect();
    let names = [format!("{name}.{}.svc", site.place.namespace)];
    site.proxies = addresses
        .iter()
        .zip(&site.outside.nodes)
        .map(|(address, node)| FaultProxy::start_at(*address, &names, &node.openbao).unwrap())
        .collect();
    (port, addresses)
}

/// Bug: a name with three addresses is taken for one server, and which of them is asked changes from one connection to
/// the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_with_three_addresses_is_refused() {
    let _lane = lane().await;
    let place = place().await;
    let (mut site, key) = three(&place, "one-name", &["one-name-of-three", "one-name-unsaid"]).await;
    let (port, addresses) = named(&mut site, "three");
    service(&place, "three", Some("None"), port, &addresses);
    let url = format!("https://three.{}.svc:{port}", place.namespace);
    let authorities: String = site.proxies.iter().map(|proxy| proxy.authority.as_str()).collect();
    site.register_as("one-name-of-three", SERVERS, &[&url], &authorities).await.unwrap();
    is_refused(&site, "one-name-of-three", &key, Reason::AddressMissing).await;
    asks_for_nothing_else(&site).await;
    site.register_as("one-name-unsaid", 1, &[&url], &authorities).await.unwrap();
    harms_nobody(&site, "one-name-unsaid", &key).await;
}

/// Bug: a Service that follows the active pod has moved on between the question who leads and the POST.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_follows_the_active_pod_is_refused_and_harms_nobody_in_a_failover() {
    let _lane = lane().await;
    let place = place().await;
    let (mut site, key) = three(&place, "follows", &["follows-active", "follows-unsaid"]).await;
    let (port, addresses) = named(&mut site, "active");
    let follow = |leader: usize| service(&place, "active", None, port, &addresses[leader..=leader]);
    let leader = site.outside.leader().await.unwrap();
    follow(leader);
    let url = format!("https://active.{}.svc:{port}", place.namespace);
    let authorities: String = site.proxies.iter().map(|proxy| proxy.authority.as_str()).collect();
    site.register_as("follows-active", SERVERS, &[&url], &authorities).await.unwrap();
    is_refused(&site, "follows-active", &key, Reason::AddressMissing).await;

    let name = "follows-unsaid";
    asks_for_nothing_else(&site).await;
    site.register_as(name, 1, &[&url], &authorities).await.unwrap();
    let stopped = site.proxies[leader].stop_at(Where::Leader);
    let restore = site.restore(name, &key, &by(name)).await.unwrap();
    site.proxies[leader].posts_come_while(restore.is_at_work());
    let held = restore.held(stopped).await;
    let address = site.outside.nodes[leader].openbao.address.clone();
    site.scenario.ask(&address, Method::PUT, "sys/step-down", json!({})).await.unwrap();
    let other = async || site.outside.leader().await.ok().filter(|now| *now != leader);
    let now = place.eventually("another leads", other).await;
    follow(now);
    held.go_on();
    let ended = restore.ended().await;
    assert_eq!(site.proxies[leader].posts(), 0, "the old leader was sent a snapshot: {ended:?}");
    assert!(!site.outside.is_sealed(leader).await.unwrap());
    let is_completed = ended.status.map(|status| status.phase) == Some(Phase::Completed);
    assert_eq!(site.value().await.unwrap() != LOST, is_completed);
}
