//! Replays the corpora of the fuzz targets, and bends what is in them.
#![expect(clippy::unwrap_used, reason = "a corpus that cannot be read fails the test")]

#[path = "../fuzz/property.rs"]
mod property;
#[path = "../../../tests/replay.rs"]
mod replay;

use proptest::prelude::*;
use replay::{bent, replay};

#[test]
fn the_corpora_hold() {
    replay("archive", 10, property::archive);
    replay("manifest", 8, property::manifest);
}

proptest! {
    #[test]
    fn a_bent_archive_holds(bytes in bent("archive")) {
        property::archive(&bytes);
    }

    #[test]
    fn a_bent_manifest_holds(bytes in bent("manifest")) {
        property::manifest(&bytes);
    }
}
