//! Backups that meet a fault while the leader gives its snapshot: what stands in the store afterwards is a whole backup
//! or nothing, and the next one works.

use crate::place::{cluster, place};
use api::{OpenBaoCluster, names};
use futures::FutureExt;
use jiff::Timestamp;
use kube::api::{Api, PostParams};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tests::fault_proxy::Held;
use tests::harness::lane;
use tests::openbao::outside::{Outside, Seal, Settings};
use tests::scenario::Scenario;
use tests::site::{APPLIED, KEPT, LOST, Place, Site, all};

/// 42 MB.
const BALLAST: usize = 60;
/// Bytes that the executor has when the snapshot stops: a part and some. The server has not given the rest.
const AFTER: u64 = 12 << 20;

const GIVEN_UP_AFTER: Duration = Duration::from_mins(5);

/// A site that is backed up by hand, and has enough to give that it can be stopped in the middle.
struct Source(Site);

impl Source {
    async fn start(place: &Place, settings: &Settings) -> Self {
        let site = Site::start(place, settings).await.unwrap();
        site.scenario.fill(BALLAST).await.unwrap();
        site.scenario.write(KEPT).await.unwrap();
        site.is_backed_up().await.unwrap();
        Self(site)
    }

    /// Asks for a backup, and waits until its snapshot stands still in the middle; gives the server that gives it.
    async fn held(&self) -> (usize, Held) {
        let leader = self.0.outside.leader().await.unwrap();
        let stopped = self.0.proxies[leader].stop_download(AFTER);
        self.0.ask_for_backup().await.unwrap();
        (leader, stopped.held().await.unwrap())
    }

    /// Waits for the next end of a backup: the keys of its cluster in the store, and what is told.
    async fn ended(&self, failures: i64) -> (Vec<String>, Value) {
        let what = format!("{} ends a backup, with {failures} failures", self.0.name);
        let told = async || {
            let status = self.0.status().await.unwrap();
            let backup = &status["backup"];
            let counted = backup["consecutiveFailures"].as_i64().unwrap_or_default() == failures;
            let is_told = failures > 0 || backup["lastBackupName"].is_string();
            (counted && is_told && status["operationLock"].is_null()).then(|| backup.clone())
        };
        let backup = self.0.place.eventually(&what, told).await;
        let prefix = format!("{}/{}/", self.0.place.namespace, self.0.name);
        let mut keys = self.0.scenario.objects().await.unwrap();
        keys.retain(|key| key.starts_with(&prefix));
        (keys, backup)
    }

    /// A backup was made, it is all that there is, and it brings back what was there.
    async fn is_good(&self) {
        let (keys, backup) = self.ended(0).await;
        let (site, key) = (&self.0, backup["lastBackupName"].as_str().unwrap());
        assert_eq!(keys, [key.to_owned(), format!("{key}.json")], "{}: {backup}", site.name);
        site.place.eventually("a server takes a write", async || site.scenario.write(LOST).await.ok()).await;
        let restore = site.restore(&format!("{}-again", site.name), key, &json!({})).await.unwrap();
        restore.judge(site, &APPLIED).await;
    }

    /// None was made, for this reason, and nothing is there; the next one is good.
    async fn failed(&self, reason: &str) {
        let (keys, backup) = self.ended(1).await;
        let told = backup["lastFailureReason"].as_str().unwrap();
        assert!(told.starts_with(reason), "{}: {told}", self.0.name);
        assert_eq!(keys, Vec::<String>::new(), "{}", self.0.name);
        println!("{}: {told}", self.0.name);
    }

    async fn next_is_good(&self) {
        self.0.ask_for_backup().await.unwrap();
        self.is_good().await;
    }
}

/// Bug: OpenBao ends a snapshot that it cannot seal with a clean answer, and that is called a backup.
async fn seal_provider_lost(place: &Place) {
    let keeper = Outside::start(cluster(), &Settings::one("keeper", Seal::Shamir)).await.unwrap();
    let provider = Scenario::of(cluster(), &place.namespace, "keeper", keeper.openbao.clone()).await.unwrap();
    let settings = Settings::one("kept-elsewhere", Seal::kept_by(&provider).await.unwrap());
    let source = Source::start(place, &settings).await;
    let (_, held) = source.held().await;
    provider.bao(Method::PUT, "sys/seal", json!({})).await.unwrap();
    held.go_on();
    source.failed("SnapshotTruncated").await;
    keeper.unseal(1).await.unwrap();
    source.next_is_good().await;
}

/// Bug: what a leader still gives after it was told to step down is cut, or called bad.
async fn stepped_down(place: &Place) {
    let settings = Settings { replicas: 3, ..Settings::one("stepped-down", Seal::fresh("local").unwrap()) };
    let source = Source::start(place, &settings).await;
    source.0.outside.wait_for_voters().await.unwrap();
    let (leader, held) = source.held().await;
    let address = &source.0.outside.nodes[leader].openbao.address;
    source.0.scenario.ask(address, Method::PUT, "sys/step-down", json!({})).await.unwrap();
    held.go_on();
    source.is_good().await;
}

/// Bug: a snapshot that ends with its server is taken for one, or keeps the next leader from giving another.
async fn leader_killed(place: &Place) {
    let settings = Settings { replicas: 3, ..Settings::one("leader-gone", Seal::fresh("local").unwrap()) };
    let mut source = Source::start(place, &settings).await;
    source.0.outside.wait_for_voters().await.unwrap();
    let (leader, held) = source.held().await;
    source.0.outside.nodes[leader].kill().await;
    held.go_on();
    let (keys, backup) = source.ended(0).await;
    assert_eq!(keys.len(), 2, "{keys:?} {backup}");
    source.0.outside.nodes[leader].start().await.unwrap();
    source.is_good().await;
}

/// Bug: a server that seals itself meanwhile, and so cannot take the token back, makes a good backup bad.
async fn sealed(place: &Place) {
    let source = Source::start(place, &Settings::one("sealed-meanwhile", Seal::Shamir)).await;
    let (_, held) = source.held().await;
    // It answers only once the snapshot is given.
    let (sealed, ()) = tokio::join!(source.0.scenario.bao(Method::PUT, "sys/seal", json!({})), async {
        place
            .eventually("it says that it is sealed", async || {
                let health = source.0.scenario.bao(Method::GET, "sys/health", Value::Null).await;
                health.is_err_and(|error| error.to_string().contains(r#""sealed":true"#)).then_some(())
            })
            .await;
        held.go_on();
    });
    sealed.unwrap();
    source.ended(0).await;
    source.0.outside.unseal(1).await.unwrap();
    source.is_good().await;
}

/// Bug: parts of an executor that was killed stay in the store.
async fn executor_killed(place: &Place) {
    let settings = Settings::one("executor-killed", Seal::fresh("local").unwrap());
    let source = Source::start(place, &settings).await;
    let (_, held) = source.held().await;
    assert!(!uploads().is_empty(), "nothing is on its way");
    let holder = source.0.status().await.unwrap()["operationLock"]["holder"].as_str().unwrap().to_owned();
    let job = holder.split('/').nth(2).unwrap();
    place.order(&place.pod_of(job).await.unwrap(), "kill");
    source.failed("JobFailed").await;
    drop(held);
    source.next_is_good().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_disturbed_is_a_whole_backup_or_none() {
    let _lane = lane().await;
    let place = &place().await;
    let rows = [
        seal_provider_lost(place).boxed_local(),
        stepped_down(place).boxed_local(),
        leader_killed(place).boxed_local(),
        sealed(place).boxed_local(),
        executor_killed(place).boxed_local(),
    ];
    all(rows, 3).await;
    // Those of other tests come and go.
    place.eventually("no upload is left in the store", async || uploads().is_empty().then_some(())).await;
}

/// Bug: a pod that Kubernetes cannot start holds the lock until somebody looks, or is given up without its reason. It takes
/// the 5 min that such a pod is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_never_starts_is_given_up_with_its_reason() {
    let place = place().await;
    let clusters: Api<OpenBaoCluster> = place.objects();
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
    let since = place.eventually("it has the lock", locked).await;
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
