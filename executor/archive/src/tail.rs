//! Where the tail of an object begins: what a server that does not have it cannot apply. No byte of the header of
//! SHA256SUMS comes out of the bytes before it.
//!
//! The inflater is fed so little at a time that this is known to the byte, whatever pieces the object comes in.

use crate::error::ArchiveError;

/// Longest tail that is accepted. What OpenBao writes has one of 3 KiB.
pub(crate) const LONGEST: u64 = 64 * 1024;
/// Most bytes by which a tail is longer than what comes out of it. The most that a compressor makes is 70: one that stores,
/// and flushes behind every block of the tar archive.
const MOST_FILLER: u64 = 512;
/// Most plain bytes of one symbol of deflate, and of one compressed byte: the shortest symbol has two bits.
const OF_SYMBOL: u64 = 258;
const OF_BYTE: u64 = 4 * OF_SYMBOL;
/// Most compressed bytes that have a part in one symbol: 48 bits lie in seven of them.
const SYMBOL: u64 = 7;

/// A place in an object.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Bytes of the object before it.
    pub(crate) offset: u64,
    /// Bytes that come out of these.
    pub(crate) plain: u64,
}

/// Finds where the tail begins while the object is decompressed.
pub(crate) struct Tail {
    /// Plain bytes that come before it, once that is known.
    ahead: Option<u64>,
    /// How many of the last bytes came out as they are, each alone: these are stored, and not parts of symbols.
    stored: u64,
    begins: Option<Place>,
}

impl Tail {
    pub(crate) const fn new() -> Self {
        Self { ahead: None, stored: 0, begins: None }
    }

    /// Most bytes to feed next: one, or so few that the tail does not begin among them.
    pub(crate) fn stride(&self) -> usize {
        if self.begins.is_some() {
            return usize::MAX;
        }
        let safe = self.ahead.unwrap_or(0).saturating_sub(OF_SYMBOL + 1) / OF_BYTE;
        usize::try_from(safe).unwrap_or(usize::MAX).max(1)
    }

    /// The inflater took the bytes `fed` and gave `plain`: the object is read up to `here`, and `ahead` is what comes before
    /// the tail, as far as it is known.
    pub(crate) fn passed(&mut self, fed: &[u8], plain: &[u8], here: Place, ahead: Option<u64>) {
        if self.begins.is_some() || fed.is_empty() && plain.is_empty() {
            return;
        }
        self.stored = if plain.len() == 1 && fed == plain { self.stored + 1 } else { 0 };
        self.ahead = ahead;
        if ahead == Some(0) {
            // The symbol that gives the first byte of the header may have begun in the bytes before.
            let early = if self.stored < SYMBOL { SYMBOL } else { 0 };
            self.begins = Some(Place { offset: here.offset.saturating_sub(early), ..here });
        }
    }

    /// Where it begins, once that is known.
    pub(crate) const fn begins(&self) -> Option<Place> {
        self.begins
    }
}

impl Place {
    /// The tail began here, and the compressed stream ended there. Gives the offset at which the tail began.
    pub(crate) const fn ended(self, end: Self) -> Result<u64, ArchiveError> {
        let (bytes, content) = (end.offset - self.offset, end.plain - self.plain);
        if bytes > content + MOST_FILLER {
            return Err(ArchiveError::Filler { bytes, content });
        }
        Ok(self.offset)
    }
}
