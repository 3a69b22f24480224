//! Replays the corpus of the fuzz target, and bends what is in it.

mod product {
    pub(super) use crate::review;
}

#[path = "../fuzz/property.rs"]
mod property;

use crate::settings;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::path::Path;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/review");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn the_corpus_of_reviews_holds() {
    let corpus = corpus();
    println!("{} reviews", corpus.len());
    assert!(corpus.len() >= 40);
    for bytes in &corpus {
        property::review(bytes);
    }
}

/// A file of the corpus with a few pieces of itself or bytes put in the place of others.
fn bent() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), any::<Index>(), any::<Index>(), any::<u8>());
    (select(corpus()), proptest::collection::vec(edit, 0..4)).prop_map(|(mut bytes, edits)| {
        for (at, from, to, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let [at, from, to] = [at, from, to].map(|index| index.index(bytes.len()));
            let piece = if from < to { bytes[from..to].to_vec() } else { vec![byte] };
            let end = bytes.len().min(at + piece.len());
            bytes.splice(at..end, piece);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn a_bent_review_holds(bytes in bent()) {
        property::review(&bytes);
    }
}
