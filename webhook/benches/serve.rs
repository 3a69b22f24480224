//! What a review costs `webhook serve`, beside a twin written with Go's standard library, in the same run.
//! `cargo bench -p webhook --bench serve`. Needed beside Rust: Go; and valgrind, without which no instructions are
//! counted: many machines have no counter for them.
#![expect(clippy::unwrap_used, reason = "a bench that cannot start its servers has nothing to measure")]

// The program has no library: its module is taken as it is.
#[path = "../src"]
mod product {
    #[allow(dead_code, unused_imports, reason = "a refusal is not measured, and its tests are run elsewhere")]
    pub(crate) mod review;
}

#[path = "serve/judging.rs"]
mod judging;
#[path = "serve/load.rs"]
mod load;
#[path = "serve/process.rs"]
mod process;
#[path = "../fuzz/settings.rs"]
mod settings;

use process::{Certificate, Server, Twin};
use product::review::Settings;

/// About 3 KB: a creation as an API server sends it.
const REVIEW: &str = include_str!("serve/review.json");

/// Pairs of runs; each figure is the median of its own.
const RUNS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(count) = judging::asked_for(&arguments) {
        judging::judge(count);
        return;
    }
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let (certificate, twin) = (Certificate::new(), Twin::build());
    let runs: Vec<[Figures; 2]> = (0..RUNS)
        .map(|_| [measure(&Server::ours(&certificate)), measure(&twin.serve(&certificate))])
        .collect();
    println!("3 KB review             ours      Go   of Go    goal");
    row("start to ready, ms", &runs, |of| of.ready_ms, "50 ms");
    row("idle memory, MiB", &runs, |of| of.idle_mib, "8 MiB");
    row("loaded memory, MiB", &runs, |of| of.loaded_mib, "16 MiB");
    row("CPU of a review, us", &runs, |of| of.review_us, "0.4");
    row("CPU of a handshake, us", &runs, |of| of.handshake_us, "0.45");
    println!("allocations        {:>9} {:>7}            120", judging::allocations(), twin.allocations());
    println!("instructions       {:>9}                120000", judging::instructions());
}

/// Of one server, from its start to its end.
struct Figures {
    ready_ms: f64,
    idle_mib: f64,
    loaded_mib: f64,
    review_us: f64,
    handshake_us: f64,
}

fn measure(server: &Server) -> Figures {
    let (ready_ms, idle_mib) = (server.ready_ms, server.memory_mib());
    let load = load::Load::new(server);
    load.reviews(load::WARM_UP);
    let review_us = server.cpu_us(|| load.reviews(load::REVIEWS)) / f64::from(load::REVIEWS);
    let loaded_mib = server.memory_mib();
    // Each has one review, which is not what is asked for.
    let with_review = server.cpu_us(|| load.handshakes(load::HANDSHAKES)) / f64::from(load::HANDSHAKES);
    Figures { ready_ms, idle_mib, loaded_mib, review_us, handshake_us: with_review - review_us }
}

fn row(name: &str, runs: &[[Figures; 2]], figure: impl Fn(&Figures) -> f64, goal: &str) {
    let median = |of: &dyn Fn(&[Figures; 2]) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (ours, theirs) = (median(&|run| figure(&run[0])), median(&|run| figure(&run[1])));
    let ratio = median(&|run| figure(&run[0]) / figure(&run[1]));
    println!("{name:<24}{ours:>5.1} {theirs:>7.1} {ratio:>7.2} {goal:>9}");
}
