//! The POST breaks before, during and after its body: what the request says afterwards is what OpenBao says.

use crate::restore::{APPLIED, NOT_APPLIED, Verdict};
use crate::rows::all;
use crate::site::{Site, cluster};
use serde_json::json;
use tests::fault_proxy::{Held, Point};
use tests::harness::lane;
use tests::openbao::outside::{Seal, Settings};

/// Rows that run side by side.
const AT_ONCE: usize = 6;

/// A POST that is stopped at a point, and how it goes on.
struct Case {
    name: &'static str,
    point: Point,
    then: fn(Held),
    executor: Executor,
    read_timeout: &'static str,
    expected: Verdict,
}

/// What becomes of the one who posts. Where it lives and has no answer, it asks for 10 min; with its end everything it
/// sent has an end too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Executor {
    Lives,
    KilledMeanwhile,
    KilledAfterwards,
}
use Executor::{KilledAfterwards, KilledMeanwhile, Lives};

const fn case(
    name: &'static str,
    point: Point,
    then: fn(Held),
    executor: Executor,
    expected: Verdict,
) -> Case {
    Case { name, point, then, executor, read_timeout: "15m", expected }
}

const CASES: [Case; 14] = [
    case("reset-before", Point::Head, Held::reset, KilledAfterwards, NOT_APPLIED),
    case("cut-before", Point::Head, Held::cut, KilledAfterwards, NOT_APPLIED),
    case("stalled-before", Point::Head, Held::go_on, Lives, APPLIED),
    case("reset-during", Point::Half, Held::reset, KilledAfterwards, NOT_APPLIED),
    case("cut-during", Point::Half, Held::cut, Lives, NOT_APPLIED),
    case("stalled-during", Point::Half, Held::go_on, Lives, APPLIED),
    case("reset-at-last-bytes", Point::LastBytes, Held::reset, Lives, APPLIED),
    case("cut-at-last-bytes", Point::LastBytes, Held::cut, Lives, APPLIED),
    // The server stops waiting for the end, and restores what it has.
    Case { read_timeout: "10s", ..case("open-at-last-bytes", Point::LastBytes, Held::part, Lives, APPLIED) },
    Case {
        read_timeout: "40s",
        ..case("open-and-killed", Point::LastBytes, Held::part, KilledMeanwhile, APPLIED)
    },
    case("reset-after", Point::Answer, Held::reset, Lives, APPLIED),
    case("cut-after", Point::Answer, Held::cut, Lives, APPLIED),
    case("stalled-after", Point::Answer, Held::go_on, Lives, APPLIED),
    case("killed-after", Point::Answer, Held::go_on, KilledMeanwhile, APPLIED),
];

async fn is_judged_rightly(client: &kube::Client, case: &Case) {
    let seal = Seal::fresh("local").unwrap();
    let settings = Settings { read_timeout: case.read_timeout, ..Settings::one(case.name, seal) };
    let site = Site::start(client, &settings).await;
    let key = site.lose().await;
    let stopped = site.proxies[0].stop_at(case.point);
    let restore = site.restore(case.name, &key, &json!({})).await;
    let held = restore.held(stopped).await;
    restore.is_undecided().await;
    if case.executor == KilledMeanwhile {
        restore.kill().await;
    }
    (case.then)(held);
    if case.executor == KilledAfterwards {
        restore.is_undecided().await;
        restore.kill().await;
    }
    restore.judge(&site, &case.expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_that_breaks_is_judged_by_what_openbao_has() {
    let _lane = lane().await;
    let client = cluster().client().await;
    all(CASES.iter().map(|case| is_judged_rightly(&client, case)), AT_ONCE).await;
}
