//! Replays the corpus of the fuzz target, and bends what is in it: what it once found stays found.
#![expect(clippy::unwrap_used, reason = "a corpus that cannot be read fails the test")]

#[path = "../fuzz/property.rs"]
mod property;
#[path = "../../../tests/replay.rs"]
mod replay;

use proptest::prelude::*;
use replay::{bent, replay};

#[test]
fn the_corpus_of_endpoints_holds() {
    replay("endpoint", 80, property::endpoint);
}

proptest! {
    #[test]
    fn a_bent_endpoint_holds(bytes in bent("endpoint")) {
        property::endpoint(&bytes);
    }
}
