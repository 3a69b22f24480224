//! The corpus of a fuzz target, as it is and bent: a module of the tests of every crate that has one.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::path::Path;

/// Every file of it, in the order of their names.
pub(crate) fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Holds the property against every file, of which there are at least so many.
pub(crate) fn replay(target: &str, at_least: usize, property: fn(&[u8])) {
    let corpus = corpus(target);
    println!("{} for {target}", corpus.len());
    assert!(corpus.len() >= at_least, "{target}");
    for bytes in &corpus {
        property(bytes);
    }
}

/// A file of it with a few bytes written over, put in or cut off, or pieces of itself in the place of others.
pub(crate) fn bent(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let edit = (any::<Index>(), any::<Index>(), any::<Index>(), any::<u8>(), 0..4_u8);
    (select(corpus(target)), proptest::collection::vec(edit, 0..6)).prop_map(|(mut bytes, edits)| {
        for (at, from, to, byte, kind) in edits {
            if bytes.is_empty() {
                break;
            }
            let [at, from, to] = [at, from, to].map(|index| index.index(bytes.len()));
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at),
                _ => {
                    let piece = bytes[from.min(to)..from.max(to)].to_vec();
                    let end = bytes.len().min(at + piece.len());
                    bytes.splice(at..end, piece);
                }
            }
        }
        bytes
    })
}
