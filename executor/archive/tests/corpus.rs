//! Replays the corpora of the fuzz targets, and bends what is in them.
#![expect(clippy::unwrap_used, reason = "a corpus that cannot be read fails the test")]

#[path = "../fuzz/property.rs"]
mod property;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::path::Path;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn the_corpora_hold() {
    let (archives, manifests) = (corpus("archive"), corpus("manifest"));
    println!("{} archives, {} manifests", archives.len(), manifests.len());
    assert!(archives.len() >= 10 && manifests.len() >= 8);
    for bytes in &archives {
        property::archive(bytes);
    }
    for bytes in &manifests {
        property::manifest(bytes);
    }
}

/// A file of the corpus with a few bytes written over, left out or doubled.
fn bent(target: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..6);
    (select(corpus(target)), edits).prop_map(|(mut bytes, edits)| {
        for (at, byte, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
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
