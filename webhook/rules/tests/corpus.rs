//! Replays the corpus of the fuzz target: what it once found stays found.

#[path = "../fuzz/property.rs"]
mod property;

use std::path::Path;

#[test]
fn the_corpus_of_endpoints_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/endpoint");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        property::endpoint(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    println!("{count} texts");
    assert!(count >= 80);
}
