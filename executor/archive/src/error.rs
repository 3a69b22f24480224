//! What can be wrong with a snapshot.

use thiserror::Error;

/// Why bytes are not a whole, undamaged snapshot. Nothing but reading happened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArchiveError {
    /// The first bytes are not those of a gzip archive as OpenBao writes it.
    #[error("The object is not a snapshot: it does not begin with a plain gzip header.")]
    NotGzip,
    /// The object ends before the archive does.
    #[error("The snapshot is truncated: the object ends inside {inside}.")]
    Truncated {
        /// The part that is not whole.
        inside: &'static str,
    },
    /// The compressed stream makes no sense.
    #[error("The snapshot is damaged: its compressed data cannot be read.")]
    Undecodable,
    /// So much comes out of so few bytes that no server wrote them.
    #[error(
        "The object is not a snapshot: its content is far larger than encrypted data can be compressed from, as in an archive made to fill disks."
    )]
    Bomb,
    /// The checksum at the end of the gzip stream is another one.
    #[error(
        "The snapshot is damaged: CRC32 or length of its content differ from those at the end of its gzip stream."
    )]
    WrongChecksum,
    /// Bytes follow the end of the gzip stream.
    #[error("The object is not one snapshot: more bytes follow the end of its gzip stream.")]
    BytesAfterGzip,
    /// A tar header is not one.
    #[error(
        "The snapshot is damaged or of another format: the tar header of {expected} is not valid ({fault})."
    )]
    Header {
        /// The member that should come here.
        expected: &'static str,
        /// What is wrong with the header.
        fault: &'static str,
    },
    /// A member comes that has no place here.
    #[error(
        "The object is not a snapshot of OpenBao: where {expected} should come, its tar archive has {found:?}."
    )]
    UnexpectedMember {
        /// The name found, escaped.
        found: String,
        /// What should come here.
        expected: &'static str,
    },
    /// The tar archive ends before all members came.
    #[error("The snapshot is incomplete: its tar archive ends before {expected}.")]
    MissingMember {
        /// The member that should come here.
        expected: &'static str,
    },
    /// Bytes between members, or after the last one, that should be zero.
    #[error(
        "The snapshot is damaged: bytes that only fill up its tar archive are not zero, or are too many."
    )]
    Filling,
    /// Compressed bytes after state.bin have no content.
    #[error(
        "The snapshot is padded: only {content} bytes come out of the {bytes} that follow state.bin in its compressed data. A server may apply such a snapshot before it has all of it."
    )]
    Filler {
        /// Compressed bytes.
        bytes: u64,
        /// What comes out of them.
        content: u64,
    },
    /// Too much of the object comes after state.bin.
    #[error(
        "The snapshot is padded: {bytes} bytes of the object follow state.bin, at most {limit} are accepted. A server may apply such a snapshot before it has all of it."
    )]
    LongTail {
        /// How many.
        bytes: u64,
        /// The most that are accepted.
        limit: u64,
    },
    /// A small member is not small.
    #[error(
        "The object is not a snapshot of OpenBao: {member} has {size} bytes, at most {limit} are expected."
    )]
    MemberTooLarge {
        /// Its name.
        member: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// meta.json does not describe a snapshot of raft storage.
    #[error("The object is not a snapshot of OpenBao: its meta.json is not as expected ({fault}).")]
    Meta {
        /// What is wrong with it.
        fault: String,
    },
    /// meta.json and the archive disagree about the size of state.bin.
    #[error("The snapshot is damaged: state.bin has {found} bytes, meta.json says {listed}.")]
    StateSize {
        /// Bytes by meta.json.
        listed: u64,
        /// Bytes by the tar header.
        found: u64,
    },
    /// SHA256SUMS is not two lines for the two members.
    #[error("The snapshot is damaged: SHA256SUMS does not list exactly meta.json and state.bin.")]
    Sums,
    /// A member has another hash than listed.
    #[error("The snapshot is damaged: {member} has SHA-256 {found}, SHA256SUMS says {listed}.")]
    WrongDigest {
        /// Its name.
        member: &'static str,
        /// Hash by SHA256SUMS, hexadecimal.
        listed: String,
        /// Hash of its bytes, hexadecimal.
        found: String,
    },
    /// SHA256SUMS.sealed is not an encrypted list.
    #[error("The snapshot is damaged: SHA256SUMS.sealed is not a value encrypted by a seal of OpenBao.")]
    Sealed,
    /// state.bin is not a sequence of storage entries.
    #[error("The snapshot is damaged or not of OpenBao: record {number} of state.bin {fault}.")]
    Record {
        /// Which one, from 1.
        number: u64,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// A record is missing without which OpenBao cannot be unsealed.
    #[error("The object is not a snapshot of OpenBao: state.bin has no record {key}.")]
    MissingRecord {
        /// Its key.
        key: &'static str,
    },
    /// The plain seal configuration cannot be read.
    #[error("The snapshot is damaged: its record core/seal-config is not a seal configuration.")]
    SealConfig,
}

impl ArchiveError {
    /// Whether what came was in order and only ended too early.
    #[must_use]
    pub const fn is_early_end(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::MissingMember { .. })
    }
}

/// What is wrong with a record of state.bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordFault {
    /// Its length or a field runs past the end.
    #[error("runs past its end")]
    TooShort,
    /// A number of more than 64 bits.
    #[error("has a number that is too large")]
    Number,
    /// A field that a storage entry does not have, or not in this place.
    #[error("has a field that a storage entry does not have")]
    Field,
    /// No key.
    #[error("has no key")]
    NoKey,
    /// A key longer than the storage can hold.
    #[error("has a key that is too long")]
    LongKey,
    /// A key that is no text.
    #[error("has a key that is not UTF-8")]
    KeyText,
    /// A key that does not come after the one before.
    #[error("is out of order: its key does not come after the one before")]
    Order,
}
