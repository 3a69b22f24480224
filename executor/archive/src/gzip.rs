//! Exactly one gzip member (RFC 1952), and nothing after it.

use crate::buffer::Block;
use crate::error::ArchiveError;
use crate::tail::{Place, Tail};
use flate2::{Crc, Decompress, FlushDecompress, Status};

/// What the header must begin with: magic, deflate, no flags. OpenBao writes no name, comment, extra field or header
/// checksum. The six bytes behind it (time, compression level, operating system) mean nothing.
const HEADER: [u8; 4] = [0x1f, 0x8b, 8, 0];
const HEADER_SIZE: usize = 10;
/// Most bytes that one compressed byte stands for, and how many are let pass before that is asked. Values are encrypted,
/// so that hardly more than the keys before them can be compressed.
const MOST_INFLATED: u64 = 16;
const INFLATED_ANYWAY: u64 = 1024 * 1024;
/// Bytes decompressed at a time.
const OUTPUT: usize = 32 * 1024;

/// Decompresses what is pushed into it.
pub(crate) struct Gunzip {
    stage: Stage,
    inflate: Decompress,
    crc: Crc,
    tail: Tail,
    output: Box<[u8]>,
}

enum Stage {
    Header(Block<HEADER_SIZE>),
    Body,
    Trailer(Block<8>),
    Done,
}

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Header(Block::new()),
            inflate: Decompress::new(false),
            crc: Crc::new(),
            tail: Tail::new(),
            output: vec![0; OUTPUT].into_boxed_slice(),
        }
    }

    /// Decompresses the next bytes into `sink`, which answers how many plain bytes come before the tail, once it knows.
    pub(crate) fn push(
        &mut self,
        mut input: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<Option<u64>, ArchiveError>,
    ) -> Result<(), ArchiveError> {
        while !input.is_empty() {
            match &mut self.stage {
                Stage::Header(block) => {
                    let Some(header) = block.fill(&mut input) else { return Ok(()) };
                    if !header.starts_with(&HEADER) {
                        return Err(ArchiveError::NotGzip);
                    }
                    self.stage = Stage::Body;
                }
                Stage::Body => {
                    if self.inflate_into(&mut input, &mut sink)? {
                        self.stage = Stage::Trailer(Block::new());
                    }
                }
                Stage::Trailer(block) => {
                    let Some([crc @ .., a, b, c, d]) = block.fill(&mut input) else { return Ok(()) };
                    if u32::from_le_bytes(crc) != self.crc.sum()
                        || u32::from_le_bytes([a, b, c, d]) != self.crc.amount()
                    {
                        return Err(ArchiveError::WrongChecksum);
                    }
                    self.stage = Stage::Done;
                }
                Stage::Done => return Err(ArchiveError::BytesAfterGzip),
            }
        }
        Ok(())
    }

    /// Decompresses until `input` is used up (false) or the compressed stream ends (true).
    fn inflate_into(
        &mut self,
        input: &mut &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<Option<u64>, ArchiveError>,
    ) -> Result<bool, ArchiveError> {
        let mut drained = true;
        loop {
            // What the inflater holds back comes out first: only then is it known what the next bytes give.
            let fed = if drained { input.len().min(self.tail.stride()) } else { 0 };
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(&input[..fed], &mut self.output, FlushDecompress::None)
                .map_err(|_| ArchiveError::Undecodable)?;
            let (consumed, rest) = input.split_at(in_memory(self.inflate.total_in() - before_in));
            let plain = &self.output[..in_memory(self.inflate.total_out() - before_out)];
            *input = rest;
            let most = self.inflate.total_in().saturating_mul(MOST_INFLATED).saturating_add(INFLATED_ANYWAY);
            if self.inflate.total_out() > most {
                return Err(ArchiveError::Bomb);
            }
            self.crc.update(plain);
            let ahead = sink(plain)?;
            self.tail.passed(consumed, plain, place(&self.inflate), ahead);
            drained = plain.is_empty();
            match status {
                Status::StreamEnd => return Ok(true),
                _ if drained && input.is_empty() => return Ok(false),
                _ if drained && fed > 0 && consumed.is_empty() => return Err(ArchiveError::Undecodable),
                _ => {}
            }
        }
    }

    /// Offset in the object at which the tail begins, once it is known.
    pub(crate) fn tail(&self) -> Option<u64> {
        self.tail.begins().map(|place| place.offset)
    }

    /// The object has ended: was that the end of the stream? Then this gives where the tail began. If not, it ended inside
    /// `content` of the stream, or inside its frame.
    pub(crate) fn finish(&self, content: &'static str) -> Result<u64, ArchiveError> {
        let inside = match self.stage {
            Stage::Header(_) => "the gzip header",
            Stage::Body => content,
            Stage::Trailer(_) => "the gzip checksum",
            Stage::Done => match self.tail.begins() {
                Some(tail) => return tail.ended(place(&self.inflate)),
                None => content,
            },
        };
        Err(ArchiveError::Truncated { inside })
    }
}

/// How far the compressed stream was read.
fn place(inflate: &Decompress) -> Place {
    Place { offset: HEADER_SIZE as u64 + inflate.total_in(), plain: inflate.total_out() }
}

/// A count of bytes that one call moved, so of bytes in memory.
fn in_memory(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
