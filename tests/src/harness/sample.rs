//! How much of a large count a run takes.

use std::hash::{BuildHasher, RandomState};

/// A part of a large count.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// How many.
    pub count: usize,
    /// Chooses which, the same again for the same seed.
    pub seed: u64,
}

/// `suite` of `whole`, or the whole under `cargo soak`; printed with the seed. `SEED` repeats a run.
#[must_use]
pub fn sample(suite: usize, whole: usize) -> Sample {
    let count = if std::env::var_os("SOAK").is_some() { whole } else { suite.min(whole) };
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(whole));
    println!("{count} of {whole}, SEED={seed}");
    Sample { count, seed }
}
