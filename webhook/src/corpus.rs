//! Replays the corpus of the fuzz target, and bends what is in it.

mod product {
    pub(super) use crate::review;
}

#[path = "../fuzz/property.rs"]
mod property;
#[path = "../../tests/replay.rs"]
mod replay;

use crate::settings;
use proptest::prelude::*;
use replay::{bent, replay};

#[test]
fn the_corpus_of_reviews_holds() {
    replay("review", 40, property::review);
}

proptest! {
    #[test]
    fn a_bent_review_holds(bytes in bent("review")) {
        property::review(&bytes);
    }
}
