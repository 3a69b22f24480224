//! What is generated and committed is what its source generates.

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds")
}

/// `UPDATE_GENERATED=1 cargo test -p tests --test generated` writes the files anew.
#[test]
fn the_committed_crds_are_those_of_the_types() {
    for (file, crd) in api::crds::all().unwrap() {
        let path = folder().join(file);
        let generated = serde_saphyr::to_string(&crd).unwrap();
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "{file} is not what the types generate: UPDATE_GENERATED=1 cargo test -p tests --test generated"
        );
    }
}

/// Client-side apply keeps the whole object in an annotation, and annotations end at 256 KiB.
#[test]
fn a_crd_can_be_applied_client_side() {
    for (file, crd) in api::crds::all().unwrap() {
        assert!(serde_json::to_vec(&crd).unwrap().len() < 256 * 1024, "{file}");
    }
}
