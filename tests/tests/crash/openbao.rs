//! The same with the real executor and OpenBao: somebody dies at a write, the restore ends, and OpenBao tells the truth.

use crate::deaths::{Death, Seen, Who, watch};
use crate::support::cluster;
use api::Phase;
use serde_json::{Value, json};
use std::time::Duration;
use tests::fault_proxy::FaultProxy;
use tests::harness::{lane, sample, some_of};
use tests::openbao::NAMESPACE;
use tests::scenario::Scenario;

const KEY: &str = "clusters/solo/crash.snap";
/// A POST that nobody saw is proved not to be on its way a minute after its sender's end; proofs come at growing
/// intervals, the fourth two minutes after the first.
const ENDS_WITHIN: Duration = Duration::from_mins(6);

fn kubectl(arguments: &[&str], input: Option<&Value>) -> String {
    let output = cluster().kubectl(arguments, input.map(Value::to_string).as_deref());
    assert_eq!(output.code, 0, "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

fn stored(kind: &str, name: &str) -> Value {
    let text = kubectl(&["get", kind, name, "-n", NAMESPACE, "-o", "json"], None);
    serde_json::from_str(&text).unwrap()
}

/// The cluster `solo` once more, reached through the proxy.
fn register(proxy: &FaultProxy) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "proxied-ca", "namespace": NAMESPACE},
        "stringData": {"ca.crt": proxy.authority}
    });
    kubectl(&["apply", "-f", "-"], Some(&secret));
    let connection = json!({"addresses": [proxy.address], "caSecretRef": {"name": "proxied-ca"}});
    let proxied = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "proxied", "namespace": NAMESPACE}, "spec": {"replicas": 1, "connection": connection}
    });
    kubectl(&["apply", "-f", "-"], Some(&proxied));
}

/// Waits until the request is finished and has been cleaned up after.
async fn finished(name: &str) -> Value {
    cluster()
        .eventually(&format!("{name} is cleaned up after"), ENDS_WITHIN, async || {
            let object = stored("obr", name);
            let is_over = object["status"]["completionTime"].is_string();
            (is_over && object["metadata"]["finalizers"].is_null()).then_some(object)
        })
        .await
}

/// One restore on which somebody dies, or nobody. What it says is what OpenBao has.
async fn told_true(
    scenario: &Scenario<'_>,
    proxy: &FaultProxy,
    name: &str,
    death: Option<Death>,
) -> Seen<Value> {
    let posts = proxy.posts();
    scenario.write("lost").await.unwrap();
    let mut request = scenario.request_by_token(name, KEY);
    request["spec"]["cluster"] = json!("proxied");
    let begin = async || drop(kubectl(&["create", "-f", "-"], Some(&request)));
    let seen = watch(NAMESPACE, death, begin, async || finished(name).await).await;
    let status = &seen.end["status"];
    let (phase, posts) = (status["phase"].as_str().unwrap(), proxy.posts() - posts);
    let what = death.map(|death| format!("{death:?} {}", seen.last_word(death))).unwrap_or_default();
    println!("{name} {what}: {phase}, {posts} POSTs");
    let value = scenario.read().await.unwrap();
    match phase {
        "Completed" => assert_eq!((posts, value.as_str()), (1, "kept"), "{name} {what}"),
        _ => assert_eq!((posts, value.as_str()), (0, "lost"), "{name} {what}: {status}"),
    }
    assert!(
        stored("openbaocluster", "proxied")["status"]["operationLock"].is_null(),
        "{name} {what}: the lock"
    );
    let is_operators = death.is_none_or(|death| death.who == Who::Operator);
    assert!(!is_operators || phase == format!("{:?}", Phase::Completed), "{name} {what}: {status}");
    seen
}

/// Bug: the restore is posted twice, or what it says of itself is not what the cluster has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_openbao_is_restored_once_or_not_at_all() {
    let _lane = lane().await;
    let scenario = Scenario::prepare(cluster(), "solo").await.unwrap();
    let proxy = FaultProxy::start(&cluster().openbao("solo")).unwrap();
    register(&proxy);
    scenario.write("kept").await.unwrap();
    scenario.put(KEY, scenario.snapshot().await.unwrap()).await.unwrap();

    let whole = told_true(&scenario, &proxy, "nobody-dies", None).await;
    let all = |who| (0..whole.written(who).len() * 2).map(move |number| Death::nth(who, number));
    let deaths: Vec<Death> = all(Who::Operator).chain(all(Who::Executor)).collect();
    let sample = sample(4, deaths.len());
    for (number, death) in some_of(&deaths, &sample).into_iter().enumerate() {
        told_true(&scenario, &proxy, &format!("death-{number}"), Some(death)).await;
    }
}
