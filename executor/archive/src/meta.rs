//! meta.json: which raft state the snapshot holds.

use crate::error::ArchiveError;
use serde::Deserialize;

/// The only version of the format that OpenBao's storage accepts.
const VERSION: u64 = 1;

/// The fields of meta.json that say something about the snapshot itself.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Meta {
    version: u64,
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) size: u64,
}

impl Meta {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let meta: Self =
            serde_json::from_slice(bytes).map_err(|error| ArchiveError::Meta { fault: error.to_string() })?;
        if meta.version != VERSION {
            return Err(ArchiveError::Meta {
                fault: format!("version {}, expected {VERSION}", meta.version),
            });
        }
        Ok(meta)
    }
}
