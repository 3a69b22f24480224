//! What a whole snapshot says about itself.

use crate::header::BLOCK;
use crate::inventory::SealConfig;
use semver::Version;

/// A snapshot that was read to its last byte and found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the object.
    pub object_size: u64,
    /// Offset in the object at which its tail begins: no server that does not have it has a byte of the header of
    /// SHA256SUMS, or can apply the snapshot.
    pub tail: u64,
    /// SHA-256 of the object, hexadecimal.
    pub sha256: String,
    /// Name that the storage gave to the snapshot.
    pub id: String,
    /// Raft index of its last entry.
    pub index: u64,
    /// Raft term of that entry.
    pub term: u64,
    /// Bytes of state.bin.
    pub state_size: u64,
    /// Number of storage entries.
    pub records: u64,
    /// Newest version of OpenBao that ever ran on these data.
    pub newest_version: Option<Version>,
    /// A recorded version that is no semantic version, so that `newest_version` may not be the newest.
    pub unreadable_version: Option<String>,
    /// SHA-256 of the record `core/hsm/barrier-unseal-keys`, hexadecimal: equal in two snapshots if the same keys
    /// unseal them. Different says nothing.
    pub barrier_keys_sha256: String,
    /// How the cluster was unsealed.
    pub seal: SealConfig,
    /// The whole member meta.json.
    pub meta: Vec<u8>,
    /// The whole member SHA256SUMS.sealed: only the seal that made it opens it.
    pub sealed: Vec<u8>,
}

/// Bytes of the object that OpenBao 2.6 and later make of members of these sizes. Informative: older servers compress,
/// and the formula holds for a state.bin below 8 GiB and a SHA256SUMS.sealed of at most 512 bytes.
#[must_use]
pub const fn expected_object_size(meta: u64, state: u64) -> u64 {
    // Header, content and filling of four members (the last two fit in one block each), then two blocks of zeros.
    let tar = 8 * BLOCK as u64 + filled(meta) + filled(state);
    // Stored deflate blocks of at most 65,535 bytes behind 5 bytes each; gzip header 10, last block 2, checksum 8.
    tar + 5 * tar.div_ceil(65_535) + 20
}

const fn filled(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: an object size that is two bytes off would make every whole snapshot look truncated. Measured on 2.7.2.
    #[test]
    fn the_formula_gives_the_measured_size() {
        assert_eq!(expected_object_size(213, 24_555), 29_209);
    }
}
