//! An archive that no server can accept, and whose refusal tells whether the server has the keys of a snapshot.

use crate::header::BLOCK;
use crate::sealed::is_blob;
use crate::summary::Summary;
use crate::tar::MEMBERS;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// meta.json and SHA256SUMS.sealed of the snapshot around an empty state.bin, without SHA256SUMS. The server opens the
/// sealed list first: it cannot (other keys), or it can and finds that the empty state.bin has another hash. Nothing comes
/// out for a sealed list that is none: the handler of a server with a static seal panics on it.
#[must_use]
pub fn dry_run(summary: &Summary) -> Option<Vec<u8>> {
    if !is_blob(&summary.sealed) {
        return None;
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    let members = [(MEMBERS[0], &summary.meta[..]), (MEMBERS[1], &[]), (MEMBERS[3], &summary.sealed[..])];
    for (name, content) in members {
        append(&mut gzip, name, content).ok()?;
    }
    gzip.write_all(&[0; 2 * BLOCK]).ok()?;
    gzip.finish().ok()
}

fn append(archive: &mut impl Write, name: &str, content: &[u8]) -> io::Result<()> {
    archive.write_all(&header(name, content.len()))?;
    archive.write_all(content)?;
    archive.write_all(&vec![0; content.len().next_multiple_of(BLOCK) - content.len()])
}

/// A ustar header of a regular file, mode 0600, of nobody and no time.
fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut set = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    set(0, name.as_bytes());
    set(100, b"0000600\x000000000\x000000000\x00");
    set(124, format!("{size:011o}\x0000000000000\x00").as_bytes());
    // The checksum counts itself as spaces; the type of a regular file follows it.
    set(148, b"        0");
    set(257, b"ustar\x0000");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\x00 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verifier;
    use flate2::read::GzDecoder;
    use std::io::Read;

    /// Bug: a field in a wrong place makes the server refuse the archive before it looks at the sealed list; a real
    /// state.bin, or the plain list beside it, could be accepted.
    #[test]
    fn another_reader_finds_exactly_three_members() {
        let mut verifier = Verifier::new();
        verifier.push(include_bytes!("../fixtures/openbao-2.7.2.snap")).unwrap();
        let summary = verifier.finish().unwrap();
        let bytes = dry_run(&summary).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(&bytes[..]));
        let members: Vec<(String, Vec<u8>)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.path().unwrap().display().to_string(), content)
            })
            .collect();
        let expected = [
            ("meta.json".to_owned(), summary.meta.clone()),
            ("state.bin".to_owned(), Vec::new()),
            ("SHA256SUMS.sealed".to_owned(), summary.sealed.clone()),
        ];
        assert_eq!(members, expected);
    }

    #[test]
    fn without_a_sealed_list_there_is_none() {
        let mut verifier = Verifier::new();
        verifier.push(include_bytes!("../fixtures/openbao-2.7.2.snap")).unwrap();
        let mut summary = verifier.finish().unwrap();
        for wrong in [&b""[..], b"no blob"] {
            summary.sealed = wrong.to_vec();
            assert_eq!(dry_run(&summary), None);
        }
    }
}
