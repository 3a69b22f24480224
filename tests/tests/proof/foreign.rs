//! Snapshots that are not what this cluster would have written just now: each gets the verdict that the README states, and
//! nothing is touched where it is refused.

use crate::bomb::bomb;
use crate::place::{cluster, place};
use api::conditions::Reason;
use futures::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use tests::harness::{lane, sample};
use tests::openbao::outside::{Outside, Seal, Settings};
use tests::scenario::{Scenario, VALUE};
use tests::site::{APPLIED, KEPT, NOT_APPLIED, Place, Restore, Site, Verdict, all, condition};

/// Another cluster, whose side of a restore fits the site that its snapshots are meant for.
struct Source {
    outside: Outside,
    scenario: Scenario<'static>,
}

impl Source {
    /// Starts one whose value is `value`.
    async fn start(site: &Site, settings: &Settings, value: &str) -> Self {
        let outside = Outside::start(cluster(), settings).await.unwrap();
        let openbao = outside.openbao.clone();
        let scenario = Scenario::of(cluster(), &site.place.namespace, &site.name, openbao).await.unwrap();
        scenario.write(value).await.unwrap();
        Self { outside, scenario }
    }
}

/// Puts a snapshot into the store; gives its key.
async fn put(scenario: &Scenario<'_>, name: &str) -> String {
    put_bytes(scenario, name, scenario.snapshot().await.unwrap()).await
}

async fn put_bytes(scenario: &Scenario<'_>, name: &str, bytes: Vec<u8>) -> String {
    let key = format!("foreign/{name}.snap");
    scenario.put(&key, bytes).await.unwrap();
    key
}

/// The check says no, for this reason.
async fn is_refused(site: &Site, name: &str, key: &str, changes: &Value, reason: Reason) {
    let refused = Verdict { reason, ..NOT_APPLIED };
    let done = site.restore(name, key, changes).await.unwrap().judge(site, &refused).await;
    let message = done.status.as_ref().and_then(|status| status.message.as_deref()).unwrap_or_default();
    assert!(message.contains("Nothing was touched"), "{name}: {message}");
    assert_eq!(condition(&done, "LockHeld").0, "", "{name}: the lock was never taken");
}

fn unforced() -> Value {
    json!({})
}

fn forced() -> Value {
    json!({"force": true})
}

fn applied(value: &'static str) -> Verdict {
    Verdict { value, ..APPLIED }
}

/// What is refused by what it is, what by its keys, and what is taken: with a key file as seal.
async fn static_seal(place: &Place) {
    let seal = Seal::fresh("local").unwrap();
    let mut site = Site::start(place, &Settings::one("static", seal.clone())).await.unwrap();
    let shamir = Source::start(&site, &Settings::one("from-shamir", Seal::Shamir), "of shamir").await;
    let other = Seal::fresh("local").unwrap();
    let other = Source::start(&site, &Settings::one("other-key", other), "of the other key").await;
    let same = Source::start(&site, &Settings::one("same-key", seal.clone()), "of the same key").await;
    let older = Settings { older: true, ..Settings::one("older", seal) };
    let older = Source::start(&site, &older, "of the older").await;
    site.lose().await.unwrap();

    let empty = put_bytes(&site.scenario, "empty", Vec::new()).await;
    is_refused(&site, "static-empty", &empty, &unforced(), Reason::SnapshotInvalid).await;
    let bomb = put_bytes(&site.scenario, "bomb", bomb(256 << 20)).await;
    is_refused(&site, "static-bomb", &bomb, &forced(), Reason::SnapshotInvalid).await;
    let from_shamir = put(&shamir.scenario, "from-shamir").await;
    is_refused(&site, "static-from-shamir", &from_shamir, &unforced(), Reason::SealMismatch).await;
    let other_key = put(&other.scenario, "other-key").await;
    is_refused(&site, "static-other-key", &other_key, &unforced(), Reason::SealMismatch).await;

    let before = site.lose().await.unwrap();
    site.scenario.bao(Method::POST, "sys/rotate/keyring", json!({})).await.unwrap();
    let restore = site.restore("static-before-keyring-rotation", &before, &unforced()).await.unwrap();
    restore.judge(&site, &APPLIED).await;
    for (name, source, value) in
        [("static-same-key", &same, "of the same key"), ("static-older", &older, "of the older")]
    {
        let key = put(&source.scenario, name).await;
        site.scenario.openbao.root_token.clone_from(&source.outside.openbao.root_token);
        site.restore(name, &key, &unforced()).await.unwrap().judge(&site, &applied(value)).await;
    }
}

/// The same with shares as seal; with other keys by force, which leaves a cluster that only those unseal.
async fn shamir_seal(place: &Place) {
    let mut site = Site::start(place, &Settings::one("shamir", Seal::Shamir)).await.unwrap();
    let other = Source::start(&site, &Settings::one("other-shamir", Seal::Shamir), "of other shares").await;
    let file = Seal::fresh("local").unwrap();
    let file = Source::start(&site, &Settings::one("from-static", file), "of a file").await;
    let before = site.lose().await.unwrap();
    let old_key = site.outside.unseal_key.clone();
    site.outside.unseal_key = Some(rekey(&site).await);

    let from_static = put(&file.scenario, "from-static").await;
    is_refused(&site, "shamir-from-static", &from_static, &unforced(), Reason::SealMismatch).await;
    let others = put(&other.scenario, "other-shamir").await;
    is_refused(&site, "shamir-other", &others, &unforced(), Reason::SealMismatch).await;
    is_refused(&site, "shamir-before-rekey", &before, &unforced(), Reason::SealMismatch).await;

    let done = site
        .restore("shamir-before-rekey-forced", &before, &forced())
        .await
        .unwrap()
        .judge(&site, &APPLIED)
        .await;
    assert!(!done.status.unwrap().next_steps.is_empty(), "which keys unseal it now");
    site.outside.unseal_key = old_key;
    site.outside.nodes[0].kill().await;
    site.outside.nodes[0].start().await.unwrap();
    site.outside.unseal(1).await.unwrap();
    assert_eq!(site.value().await.unwrap(), KEPT);

    let restore = site.restore("shamir-other-forced", &others, &forced()).await.unwrap();
    is_in_doubt(&site, &restore).await;
    site.outside.unseal_key.clone_from(&other.outside.unseal_key);
    site.outside.unseal(1).await.unwrap();
    site.scenario.openbao.root_token.clone_from(&other.outside.openbao.root_token);
    restore.settle("applied").await;
    restore.judge(&site, &Verdict { reason: Reason::Settled, ..applied("of other shares") }).await;
}

/// It is sealed until somebody unseals it with the keys of the snapshot, which has no marker to be asked for then: a human has
/// to look.
async fn is_in_doubt(site: &Site, restore: &Restore) {
    site.outside.wait_until_sealed(0).await.unwrap();
    let told = async || (condition(&restore.stored().await, "Stalled").0 == "True").then_some(());
    site.place.eventually("the doubt is told", told).await;
    restore.is_undecided().await;
}

/// Gives the new unseal key.
async fn rekey(site: &Site) -> String {
    let shares = json!({"secret_shares": 1, "secret_threshold": 1});
    let begun = site.scenario.bao(Method::POST, "sys/rotate/root/init", shares).await.unwrap();
    let share = json!({"key": site.outside.unseal_key, "nonce": begun["data"]["nonce"]});
    let done = site.scenario.bao(Method::POST, "sys/rotate/root/update", share).await.unwrap();
    done["data"]["keys_base64"][0].as_str().unwrap().to_owned()
}

/// By force across key files: sealed until the servers have the other one.
async fn another_key_file(place: &Place) {
    let mut site = Site::start(place, &Settings::one("file", Seal::fresh("local").unwrap())).await.unwrap();
    let seal = Seal::fresh("local").unwrap();
    let other = Source::start(&site, &Settings::one("other-file", seal.clone()), "of the other file").await;
    site.lose().await.unwrap();
    let key = put(&other.scenario, "other-file").await;
    let restore = site.restore("file-other-forced", &key, &forced()).await.unwrap();
    is_in_doubt(&site, &restore).await;
    let Seal::Static { key, .. } = seal else { unreachable!() };
    site.outside.replace_seal_key(&key).unwrap();
    site.outside.nodes[0].kill().await;
    site.outside.nodes[0].start().await.unwrap();
    site.outside.unseal(1).await.unwrap();
    site.scenario.openbao.root_token.clone_from(&other.outside.openbao.root_token);
    restore.settle("applied").await;
    restore.judge(&site, &Verdict { reason: Reason::Settled, ..applied("of the other file") }).await;
}

/// Bug: an older server takes the snapshot, answers 204, and seals itself for good.
async fn newer_than_the_server(place: &Place) {
    let seal = Seal::fresh("local").unwrap();
    let settings = Settings { older: true, ..Settings::one("behind", seal.clone()) };
    let site = Site::start(place, &settings).await.unwrap();
    let ahead = Source::start(&site, &Settings::one("ahead", seal), "of a newer").await;
    site.lose().await.unwrap();
    let key = put(&ahead.scenario, "ahead").await;
    is_refused(&site, "behind-newer", &key, &unforced(), Reason::ServerOlder).await;
    is_refused(&site, "behind-newer-forced", &key, &forced(), Reason::ServerOlder).await;
}

/// As many as 200 MB take.
const VALUES: usize = 300;

async fn large(place: &Place) {
    let site = Site::start(place, &Settings::one("large", Seal::fresh("local").unwrap())).await.unwrap();
    let values = sample(VALUES, VALUES).count;
    site.scenario.fill(values).await.unwrap();
    let key = site.lose().await.unwrap();
    let done = site.restore("large", &key, &unforced()).await.unwrap().judge(&site, &APPLIED).await;
    let bytes = done.status.unwrap().snapshot_size.unwrap();
    assert!(bytes > i64::try_from(values * VALUE).unwrap(), "{bytes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_foreign_snapshot_gets_its_verdict() {
    let _lane = lane().await;
    let place = &place().await;
    let rows = [
        static_seal(place).boxed_local(),
        shamir_seal(place).boxed_local(),
        another_key_file(place).boxed_local(),
        newer_than_the_server(place).boxed_local(),
    ];
    all(rows, 4).await;
    large(place).await;
}
