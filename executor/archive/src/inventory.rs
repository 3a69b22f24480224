//! What the records say in clear text: versions, the seal's configuration, and which keys unseal the snapshot.

use crate::buffer::hex;
use crate::error::ArchiveError;
use semver::Version;
use serde::Deserialize;
use sha2::{Digest, Sha256};

const KEYRING: &str = "core/keyring";
const SEAL_CONFIG: &str = "core/seal-config";
const BARRIER_KEYS: &str = "core/hsm/barrier-unseal-keys";
const VERSIONS: &str = "core/versions/";
/// Most bytes of a seal configuration; one is a few hundred.
const SEAL_CONFIG_LIMIT: usize = 64 * 1024;

/// How the cluster of the snapshot is unsealed. OpenBao keeps this in clear text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SealConfig {
    /// Kind of seal, such as `shamir` or `static`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Number of key shares.
    pub secret_shares: u64,
    /// Shares that are needed.
    pub secret_threshold: u64,
}

/// Collects it, record by record.
pub(crate) struct Inventory {
    watched: Watched,
    pub(crate) newest_version: Option<Version>,
    pub(crate) unreadable_version: Option<String>,
    keyring: bool,
    seal_config: Option<Vec<u8>>,
    barrier_keys: Option<String>,
}

/// What the value of the current record is needed for.
enum Watched {
    Nothing,
    BarrierKeys(Sha256),
    SealConfig(Vec<u8>),
}

impl Inventory {
    pub(crate) const fn new() -> Self {
        Self {
            watched: Watched::Nothing,
            newest_version: None,
            unreadable_version: None,
            keyring: false,
            seal_config: None,
            barrier_keys: None,
        }
    }

    /// A record begins.
    pub(crate) fn begin(&mut self, key: &str) {
        self.watched = match key {
            BARRIER_KEYS => Watched::BarrierKeys(Sha256::new()),
            SEAL_CONFIG => Watched::SealConfig(Vec::new()),
            _ => Watched::Nothing,
        };
        self.keyring |= key == KEYRING;
        if let Some(version) = key.strip_prefix(VERSIONS) {
            self.version(version);
        }
    }

    fn version(&mut self, text: &str) {
        match Version::parse(text) {
            Ok(version) => {
                if self.newest_version.as_ref().is_none_or(|newest| *newest < version) {
                    self.newest_version = Some(version);
                }
            }
            Err(_) => self.unreadable_version = Some(text.to_owned()),
        }
    }

    /// The next bytes of its value.
    pub(crate) fn value(&mut self, bytes: &[u8]) {
        match &mut self.watched {
            Watched::Nothing => {}
            Watched::BarrierKeys(digest) => digest.update(bytes),
            // One byte over the limit is kept, so that a longer one is seen to be too long.
            Watched::SealConfig(kept) => {
                let room = (SEAL_CONFIG_LIMIT + 1).saturating_sub(kept.len());
                kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
        }
    }

    /// The record ends.
    pub(crate) fn end(&mut self) {
        match std::mem::replace(&mut self.watched, Watched::Nothing) {
            Watched::Nothing => {}
            Watched::BarrierKeys(digest) => self.barrier_keys = Some(hex(&digest.finalize())),
            Watched::SealConfig(kept) => self.seal_config = Some(kept),
        }
    }

    /// The records that every snapshot has: hash of the barrier's unseal keys, and the seal's configuration.
    pub(crate) fn required(&self) -> Result<(String, SealConfig), ArchiveError> {
        if !self.keyring {
            return Err(ArchiveError::MissingRecord { key: KEYRING });
        }
        let barrier_keys =
            self.barrier_keys.clone().ok_or(ArchiveError::MissingRecord { key: BARRIER_KEYS })?;
        let seal_config =
            self.seal_config.as_ref().ok_or(ArchiveError::MissingRecord { key: SEAL_CONFIG })?;
        if seal_config.len() > SEAL_CONFIG_LIMIT {
            return Err(ArchiveError::SealConfig);
        }
        let seal_config = serde_json::from_slice(seal_config).map_err(|_| ArchiveError::SealConfig)?;
        Ok((barrier_keys, seal_config))
    }
}
