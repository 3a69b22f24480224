//! A snapshot of OpenBao's raft storage, read to the last byte as a stream: gzip, tar, SHA256SUMS, state records. And the
//! keys under which snapshots are stored.
//!
//! The reader is stricter than OpenBao, which accepts wrong checksums, missing ends and bytes after the end. It keeps a
//! constant amount of memory, whatever is pushed into it.

mod buffer;
mod content;
mod dry_run;
mod error;
mod gzip;
mod header;
mod inventory;
pub mod keys;
mod manifest;
mod meta;
mod records;
mod sealed;
mod summary;
mod sums;
mod tail;
mod tar;
#[cfg(test)]
mod testing;
mod verify;

pub use dry_run::dry_run;
pub use error::{ArchiveError, RecordFault};
pub use inventory::SealConfig;
pub use manifest::{Difference, Manifest, ManifestError, ManifestMarker};
pub use semver::Version;
pub use summary::{Summary, expected_object_size};
pub use verify::Verifier;
