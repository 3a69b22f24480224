//! SHA256SUMS: `<64 hexadecimal digits>  <name>` for exactly meta.json and state.bin, in either order.

use crate::error::ArchiveError;
use crate::tar::MEMBERS;

/// The hashes that the snapshot lists for its members, hexadecimal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) meta: String,
    pub(crate) state: String,
}

impl Sums {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ArchiveError::Sums)?;
        let lines: Vec<_> =
            text.split_inclusive('\n').map(line).collect::<Option<_>>().ok_or(ArchiveError::Sums)?;
        let [(first, first_name), (second, second_name)] = lines[..] else { return Err(ArchiveError::Sums) };
        let (meta, state) = match (first_name, second_name) {
            names if names == (MEMBERS[0], MEMBERS[1]) => (first, second),
            names if names == (MEMBERS[1], MEMBERS[0]) => (second, first),
            _ => return Err(ArchiveError::Sums),
        };
        Ok(Self { meta: meta.to_owned(), state: state.to_owned() })
    }
}

fn line(line: &str) -> Option<(&str, &str)> {
    let (digest, name) = line.strip_suffix('\n')?.split_once("  ")?;
    let is_digest =
        digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_digest.then_some((digest, name))
}
