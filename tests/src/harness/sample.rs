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

impl Sample {
    /// The `number`-th of a sequence from 0 to 1 that the seed begins: steps of the golden ratio spread evenly.
    #[must_use]
    pub fn fraction(&self, number: usize) -> f64 {
        let small = |number: u64| f64::from(u32::try_from(number % 1_000_000).unwrap_or_default());
        let step = u64::try_from(number).unwrap_or_default();
        (small(self.seed) / 1e6 + small(step) * 0.618_033_988_75).fract()
    }
}

/// As many of `all` as the sample has, spread evenly.
#[must_use]
pub fn some_of<T: Copy>(all: &[T], sample: &Sample) -> Vec<T> {
    let mut numbers: Vec<usize> = (0..all.len()).collect();
    numbers.sort_by(|one, other| sample.fraction(*one).total_cmp(&sample.fraction(*other)));
    numbers.into_iter().take(sample.count).map(|number| all[number]).collect()
}

/// Whether it is `cargo soak` that runs.
#[must_use]
pub fn is_soak() -> bool {
    std::env::var_os("SOAK").is_some()
}

/// `suite` of `whole`, or the whole under `cargo soak`; printed with the seed. `SEED` repeats a run.
#[must_use]
pub fn sample(suite: usize, whole: usize) -> Sample {
    let count = if is_soak() { whole } else { suite.min(whole) };
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(whole));
    println!("{count} of {whole}, SEED={seed}");
    Sample { count, seed }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: a soak leaves some out, or does some twice.
    #[test]
    fn a_sample_has_no_element_twice_and_the_whole_has_all() {
        let all: Vec<usize> = (0..66).collect();
        for (count, seed) in [(0, 0), (4, 1), (4, 999_999), (66, 7)] {
            let mut some = some_of(&all, &Sample { count, seed });
            some.sort_unstable();
            some.dedup();
            assert_eq!(some.len(), count, "{seed}");
        }
    }
}
