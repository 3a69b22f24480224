//! What holds of any bytes that are given for a snapshot, or for its manifest.
#![allow(dead_code, reason = "each target looks at one of them")]

use archive::{ArchiveError, Manifest, Summary, Verifier};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Summary, ArchiveError> {
    let mut verifier = Verifier::new();
    for piece in pieces {
        verifier.push(piece)?;
    }
    verifier.finish()
}

/// No panic, as an object and as the tar archive inside one.
pub(crate) fn archive(bytes: &[u8]) {
    object(bytes);
    let mut packed = GzEncoder::new(Vec::new(), Compression::none());
    if let Some(packed) = packed.write_all(bytes).ok().and_then(|()| packed.finish().ok()) {
        object(&packed);
    }
}

/// What is taken is taken to its last byte, and no further; and it does not matter in what pieces it comes, but for
/// which of several faults is found first. Without its tail it ends right before what follows state.bin, or a little earlier.
fn object(bytes: &[u8]) {
    let whole = read([bytes]);
    let piece = 1 + bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 97;
    assert_eq!(read(bytes.chunks(piece)).ok(), whole.clone().ok());
    if let Ok(summary) = &whole {
        assert_eq!(summary.object_size, bytes.len() as u64);
        assert!(read([&bytes[..bytes.len() - 1]]).is_err(), "its last byte may be missing");
        assert!(read([bytes, b"\0"]).is_err(), "a byte may follow it");
        let head = usize::try_from(summary.tail).ok().and_then(|tail| bytes.get(..tail));
        let before_sums = |error: ArchiveError| {
            matches!(error, ArchiveError::Truncated { inside: "state.bin" | "SHA256SUMS" })
        };
        assert!(head.is_some_and(|head| read([head]).is_err_and(before_sums)), "a part of it may be missing");
    }
}

/// No panic; and a manifest that is read says of itself what differs.
pub(crate) fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let Ok(mut summary) = read([include_bytes!("../fixtures/openbao-2.7.2.snap").as_slice()]) else {
        panic!("the fixture is a snapshot");
    };
    let before = manifest.differences(&summary).len();
    summary.object_size = manifest.size;
    let after = manifest.differences(&summary);
    assert!(after.len() <= before && after.iter().all(|one| one.field != "size"), "{after:?}");
}
