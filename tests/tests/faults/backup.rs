//! Backups that meet a fault while the leader gives its snapshot: what stands in the store afterwards is a whole backup
//! or nothing, and the next one works.

use crate::restore::APPLIED;
use crate::rows::all;
use crate::site::{KEPT, LOST, Site, cluster, eventually, namespace, order, pod_of};
use api::{OpenBaoCluster, names};
use futures::FutureExt;
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tests::fault_proxy::Held;
use tests::harness::lane;
use tests::openbao::outside::{Outside, Seal, Settings};
use tests::scenario::Scenario;

/// 42 MB.
const BALLAST: usize = 60;
/// Bytes that the executor has when the snapshot stops: a part and some. The server has not given the rest.
const AFTER: u64 = 12 << 20;

const GIVEN_UP_AFTER: Duration = Duration::from_mins(5);

/// A site that is backed up by hand, and has enough to give that it can be stopped in the middle.
struct Source {
    site: Site,
    clusters: Api<OpenBaoCluster>,
}

impl Source {
    async fn start(client: &Client, settings: &Settings) -> Self {
        let site = Site::start(client, settings).await;
        site.scenario.fill(BALLAST).await.unwrap();
        site.scenario.write(KEPT).await.unwrap();
        let clusters = Api::namespaced(client.clone(), namespace());
        let source = Self { site, clusters };
        source.patch(&json!({"spec": {"backup": source.site.scenario.backup()}})).await;
        source
    }

    async fn patch(&self, patch: &Value) {
        self.clusters.patch(&self.site.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn status(&self) -> Value {
        json!(self.clusters.get(&self.site.name).await.unwrap().status.unwrap_or_default())
    }

    async fn ask(&self, trigger: &str) {
        self.patch(&json!({"metadata": {"annotations": {names::TRIGGER_BACKUP: trigger}}})).await;
    }

    /// Asks for a backup, and waits until its snapshot stands still in the middle; gives the server that gives it.
    async fn held(&self) -> (usize, Held) {
        let leader = self.site.outside.leader().await.unwrap();
        let stopped = self.site.proxies[leader].stop_download(AFTER);
        self.ask("held").await;
        (leader, stopped.held().await.unwrap())
    }

    /// Waits for the next end of a backup: the keys of its cluster in the store, and what is told.
    async fn ended(&self, failures: i64) -> (Vec<String>, Value) {
        let what = format!("{} ends a backup, with {failures} failures", self.site.name);
        let backup = eventually(&what, async || {
            let status = self.status().await;
            let backup = &status["backup"];
            let counted = backup["consecutiveFailures"].as_i64().unwrap_or_default() == failures;
            let is_told = failures > 0 || backup["lastBackupName"].is_string();
            (counted && is_told && status["operationLock"].is_null()).then(|| backup.clone())
        })
        .await;
        let prefix = format!("{}/{}/", namespace(), self.site.name);
        let mut keys = self.site.scenario.objects().await.unwrap();
        keys.retain(|key| key.starts_with(&prefix));
        (keys, backup)
    }

    /// A backup was made, it is all that there is, and it brings back what was there.
    async fn is_good(&self) {
        let (keys, backup) = self.ended(0).await;
        let key = backup["lastBackupName"].as_str().unwrap();
        assert_eq!(keys, [key.to_owned(), format!("{key}.json")], "{}: {backup}", self.site.name);
        let written = async || self.site.scenario.write(LOST).await.ok();
        eventually("a server takes a write", written).await;
        let name = format!("{}-again", self.site.name);
        self.site.restore(&name, key, &json!({})).await.judge(&self.site, &APPLIED).await;
    }

    /// None was made, for this reason, and nothing is there; the next one is good.
    async fn failed(&self, reason: &str) {
        let (keys, backup) = self.ended(1).await;
        let told = backup["lastFailureReason"].as_str().unwrap();
        assert!(told.starts_with(reason), "{}: {told}", self.site.name);
        assert_eq!(keys, Vec::<String>::new(), "{}", self.site.name);
        println!("{}: {told}", self.site.name);
    }

    async fn next_is_good(&self) {
        self.ask("next").await;
        self.is_good().await;
    }
}

/// Bug: OpenBao ends a snapshot that it cannot seal with a clean answer, and that is called a backup.
async fn seal_provider_lost(client: &Client) {
    let keeper = Outside::start(cluster(), &Settings::one("keeper", Seal::Shamir)).await.unwrap();
    let provider = Scenario::of(cluster(), namespace(), "keeper", keeper.openbao.clone()).await.unwrap();
    let settings = Settings::one("kept-elsewhere", Seal::kept_by(&provider).await.unwrap());
    let source = Source::start(client, &settings).await;
    let (_, held) = source.held().await;
    provider.bao(Method::PUT, "sys/seal", json!({})).await.unwrap();
    held.go_on();
    source.failed("SnapshotTruncated").await;
    keeper.unseal(1).await.unwrap();
    source.next_is_good().await;
}

/// Bug: what a leader still gives after it was told to step down is cut, or called bad.
async fn stepped_down(client: &Client) {
    let settings = Settings { replicas: 3, ..Settings::one("stepped-down", Seal::fresh("local").unwrap()) };
    let source = Source::start(client, &settings).await;
    source.site.outside.wait_for_voters().await.unwrap();
    let (leader, held) = source.held().await;
    let address = &source.site.outside.nodes[leader].openbao.address;
    source.site.scenario.ask(address, Method::PUT, "sys/step-down", json!({})).await.unwrap();
    held.go_on();
    source.is_good().await;
}

/// Bug: a snapshot that ends with its server is taken for one, or keeps the next leader from giving another.
async fn leader_killed(client: &Client) {
    let settings = Settings { replicas: 3, ..Settings::one("leader-gone", Seal::fresh("local").unwrap()) };
    let mut source = Source::start(client, &settings).await;
    source.site.outside.wait_for_voters().await.unwrap();
    let (leader, held) = source.held().await;
    source.site.outside.nodes[leader].kill().await;
    held.go_on();
    let (keys, backup) = source.ended(0).await;
    assert_eq!(keys.len(), 2, "{keys:?} {backup}");
    source.site.outside.nodes[leader].start().await.unwrap();
    source.is_good().await;
}

/// Bug: a server that seals itself meanwhile, and so cannot take the token back, makes a good backup bad.
async fn sealed(client: &Client) {
    let source = Source::start(client, &Settings::one("sealed-meanwhile", Seal::Shamir)).await;
    let (_, held) = source.held().await;
    // It answers only once the snapshot is given.
    let (sealed, ()) = tokio::join!(source.site.scenario.bao(Method::PUT, "sys/seal", json!({})), async {
        eventually("it says that it is sealed", async || {
            let health = source.site.scenario.bao(Method::GET, "sys/health", Value::Null).await;
            health.is_err_and(|error| error.to_string().contains(r#""sealed":true"#)).then_some(())
        })
        .await;
        held.go_on();
    });
    sealed.unwrap();
    source.ended(0).await;
    source.site.outside.unseal(1).await.unwrap();
    source.is_good().await;
}

/// Bug: parts of an executor that was killed stay in the store.
async fn executor_killed(client: &Client) {
    let settings = Settings::one("executor-killed", Seal::fresh("local").unwrap());
    let source = Source::start(client, &settings).await;
    let (_, held) = source.held().await;
    assert!(!uploads().is_empty(), "nothing is on its way");
    let holder = source.status().await["operationLock"]["holder"].as_str().unwrap().to_owned();
    let job = holder.split('/').nth(2).unwrap();
    order(&pod_of(client, job).await, "kill");
    source.failed("JobFailed").await;
    drop(held);
    source.next_is_good().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_disturbed_is_a_whole_backup_or_none() {
    let _lane = lane().await;
    let client = &cluster().client().await;
    let rows = [
        seal_provider_lost(client).boxed_local(),
        stepped_down(client).boxed_local(),
        leader_killed(client).boxed_local(),
        sealed(client).boxed_local(),
        executor_killed(client).boxed_local(),
    ];
    all(rows, 3).await;
    assert_eq!(uploads(), Vec::<String>::new(), "uploads are left in the store");
}

/// Bug: a pod that Kubernetes cannot start holds the lock until somebody looks, or is given up without its reason. It takes
/// the 5 min that such a pod is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_never_starts_is_given_up_with_its_reason() {
    let clusters: Api<OpenBaoCluster> = Api::namespaced(cluster().client().await, namespace());
    let target = json!({
        "endpoint": "https://s3.storage.svc:9000", "bucket": "backups", "usePathStyle": true,
        "credentialsSecretRef": {"name": "none"},
    });
    let backup =
        json!({"executorImage": "nowhere/executor:1", "tokenSecretRef": {"name": "none"}, "target": target});
    let object = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "never-starts", "annotations": {names::TRIGGER_BACKUP: "now"}},
        "spec": {"replicas": 1, "backup": backup},
    });
    let object = serde_json::from_value(object).unwrap();
    clusters.create(&PostParams::default(), &object).await.unwrap();
    let status = async || json!(clusters.get("never-starts").await.unwrap().status.unwrap_or_default());
    let locked = async || status().await["operationLock"]["acquiredAt"].as_str()?.parse::<Timestamp>().ok();
    let since = eventually("it has the lock", locked).await;
    let is_over = async || status().await["operationLock"].is_null().then_some(());
    let within = GIVEN_UP_AFTER + Duration::from_mins(2);
    cluster().eventually("it is given up, and the lock free", within, is_over).await;
    let held = Timestamp::now().duration_since(since);
    assert!(held.unsigned_abs() >= GIVEN_UP_AFTER, "it was given up after {held:#}");
    let backup = status().await["backup"].clone();
    let told = backup["lastFailureReason"].as_str().unwrap();
    assert!(told.starts_with("PodNotStarted") && told.contains("ImagePull"), "{told}");
    assert_eq!(backup["consecutiveFailures"], 1, "{backup}");
}

fn uploads() -> Vec<String> {
    tests::object_store::uploads(cluster().folder()).unwrap()
}
