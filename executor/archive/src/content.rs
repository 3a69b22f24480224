//! The four members: the small ones are kept, state.bin only passes by.

use crate::buffer::hex;
use crate::error::ArchiveError;
use crate::inventory::Inventory;
use crate::meta::Meta;
use crate::records::Records;
use crate::sealed;
use crate::summary::expected_object_size;
use crate::sums::Sums;
use crate::tar::{MEMBERS, Members, STATE};
use sha2::{Digest, Sha256};

/// Most bytes of a small member. OpenBao refuses a meta.json of 8 KiB and more; the other two are well below.
const SMALL: u64 = 8191;

/// Receives the members of one archive.
pub(crate) struct Content {
    small: [Vec<u8>; MEMBERS.len()],
    state: Records,
    state_size: u64,
    has_state: bool,
    state_digest: Sha256,
}

/// What the members say, once they were found to agree.
pub(crate) struct Agreed {
    pub(crate) meta: Meta,
    pub(crate) records: u64,
    pub(crate) inventory: Inventory,
    pub(crate) meta_bytes: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
}

impl Content {
    pub(crate) fn new() -> Self {
        Self {
            small: Default::default(),
            state: Records::new(0),
            state_size: 0,
            has_state: false,
            state_digest: Sha256::new(),
        }
    }

    /// Bytes of the whole object by the sizes of its members, once state.bin has begun.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.has_state.then(|| expected_object_size(self.small[0].len() as u64, self.state_size))
    }

    /// Holds the members against each other.
    pub(crate) fn finish(self) -> Result<Agreed, ArchiveError> {
        let [meta_bytes, _, sums, sealed] = self.small;
        let listed = Sums::parse(&sums)?;
        same(MEMBERS[0], listed.meta, &Sha256::digest(&meta_bytes))?;
        same(MEMBERS[STATE], listed.state, &self.state_digest.finalize())?;
        let meta = Meta::parse(&meta_bytes)?;
        if meta.size != self.state_size {
            return Err(ArchiveError::StateSize { listed: meta.size, found: self.state_size });
        }
        if !sealed::is_blob(&sealed) {
            return Err(ArchiveError::Sealed);
        }
        let (records, inventory) = self.state.finish()?;
        Ok(Agreed { meta, records, inventory, meta_bytes, sealed })
    }
}

fn same(member: &'static str, listed: String, found: &[u8]) -> Result<(), ArchiveError> {
    let found = hex(found);
    if found == listed { Ok(()) } else { Err(ArchiveError::WrongDigest { member, listed, found }) }
}

impl Members for Content {
    fn begin(&mut self, index: usize, size: u64) -> Result<(), ArchiveError> {
        if index == STATE {
            self.state = Records::new(size);
            self.state_size = size;
            self.has_state = true;
        } else if size > SMALL {
            return Err(ArchiveError::MemberTooLarge { member: MEMBERS[index], size, limit: SMALL });
        }
        Ok(())
    }

    fn data(&mut self, index: usize, bytes: &[u8]) -> Result<(), ArchiveError> {
        if index == STATE {
            self.state_digest.update(bytes);
            return self.state.push(bytes);
        }
        self.small[index].extend_from_slice(bytes);
        Ok(())
    }
}
