//! The operator is killed in each phase of a restore, and at random times: the restore ends, and OpenBao is posted one
//! snapshot.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod boundaries;
mod clocks;
mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::cluster;
use tests::fault_proxy::FaultProxy;
use tests::harness::sample;
use tests::openbao::NAMESPACE;
use tests::scenario::Scenario;

const RELEASE: &str = "openbao-recovery";
const OPERATORS: &str = "app.kubernetes.io/component=operator";
const KEY: &str = "clusters/solo/crash.snap";
/// Election takes 15 s after a leader that was killed, the restore 10 s.
const ENDS_WITHIN: Duration = Duration::from_mins(3);
/// A restore without a kill takes about 8 s.
const RESTORE: Duration = Duration::from_secs(8);

fn kubectl(arguments: &[&str], input: Option<&Value>) -> String {
    let output = cluster().kubectl(arguments, input.map(Value::to_string).as_deref());
    assert_eq!(output.code, 0, "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

fn stored(name: &str) -> Value {
    let text = kubectl(&["get", "obr", name, "-n", NAMESPACE, "-o", "json"], None);
    serde_json::from_str(&text).unwrap()
}

/// Both replicas at once, with SIGKILL; their Deployment makes new ones.
fn kill_operators() {
    kubectl(&["delete", "pods", "-n", RELEASE, "-l", OPERATORS, "--force", "--grace-period=0"], None);
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

/// How often the API server made each Job of a request.
fn jobs_made(name: &str) -> Vec<usize> {
    let log = std::fs::read_to_string(cluster().folder().join("logs/audit.log")).unwrap();
    let made: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    ["check", "restore"]
        .map(|stage| {
            let job = format!("{stage}-{name}");
            made.iter()
                .filter(|event| event["verb"] == "create" && event["objectRef"]["resource"] == "jobs")
                .filter(|event| event["objectRef"]["name"] == job && event["responseStatus"]["code"] == 201)
                .count()
        })
        .to_vec()
}

async fn survives(scenario: &Scenario<'_>, proxy: &FaultProxy, name: &str, moment: impl AsyncFnOnce()) {
    let posts = proxy.posts();
    scenario.write("lost").await.unwrap();
    let mut request = scenario.request_by_token(name, KEY);
    request["spec"]["cluster"] = json!("proxied");
    kubectl(&["create", "-f", "-"], Some(&request));
    moment().await;
    kill_operators();
    let what = format!("{name} is cleaned up after");
    let done = cluster().eventually(&what, ENDS_WITHIN, async || {
        let object = stored(name);
        let is_over = object["status"]["completionTime"].is_string();
        (is_over && object["metadata"]["finalizers"].is_null()).then_some(object)
    });
    let done = done.await;
    assert_eq!(done["status"]["phase"], "Completed", "{name}: {}", done["status"]);
    assert_eq!(proxy.posts() - posts, 1, "{name}: posts");
    assert_eq!(jobs_made(name), [1, 1], "{name}: Jobs");
    assert_eq!(scenario.read().await.unwrap(), "kept", "{name}");
    let lock = kubectl(&["get", "openbaocluster", "proxied", "-n", NAMESPACE, "-o", "json"], None);
    let lock: Value = serde_json::from_str(&lock).unwrap();
    assert!(lock["status"]["operationLock"].is_null(), "{name}: the lock is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_operator_posts_nothing_twice() {
    let scenario = Scenario::prepare(cluster(), "solo").await.unwrap();
    let proxy = FaultProxy::start(&cluster().openbao("solo")).await.unwrap();
    register(&proxy);
    scenario.write("kept").await.unwrap();
    scenario.put(KEY, scenario.snapshot().await.unwrap()).await.unwrap();

    for phase in ["Pending", "Validating", "Running", "Completed"] {
        let name = format!("killed-{}", phase.to_lowercase());
        survives(&scenario, &proxy, &name, async || {
            cluster()
                .eventually(phase, ENDS_WITHIN, async || {
                    (stored(&name)["status"]["phase"] == phase).then_some(())
                })
                .await;
        })
        .await;
    }
    let sample = sample(1, 40);
    for number in 0..sample.count {
        let after = RESTORE.mul_f64(fraction(sample.seed, number));
        let name = format!("killed-after-{}", after.as_millis());
        survives(&scenario, &proxy, &name, async || tokio::time::sleep(after).await).await;
    }
}

/// The `number`-th of a sequence of numbers from 0 to 1 that `seed` begins: steps of the golden ratio spread evenly.
fn fraction(seed: u64, number: usize) -> f64 {
    let number = u32::try_from(number).unwrap();
    let begin = f64::from(u32::try_from(seed % 1_000_000).unwrap()) / 1e6;
    (begin + f64::from(number) * 0.618_033_988_75).fract()
}
