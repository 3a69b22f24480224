//! The tar archive: exactly four members, in order, each once, then two blocks of zeros.

use crate::buffer::{Block, take_front};
use crate::error::ArchiveError;
use crate::header::{BLOCK, Header, Kind, pax_size};

/// Each member, in the order that OpenBao writes them.
pub(crate) const MEMBERS: [&str; 4] = ["meta.json", "state.bin", "SHA256SUMS", "SHA256SUMS.sealed"];
/// Index of state.bin in [`MEMBERS`].
pub(crate) const STATE: usize = 1;
/// What comes behind the last member, in words.
const END: &str = "the end of the archive";
/// Longest PAX records, in bytes: one size needs 30 at the most.
const PAX_LIMIT: u64 = 512;
/// Fewest blocks of zeros at the end.
const END_BLOCKS: usize = 2;
/// Most of them. OpenBao writes 2; 20 is what a tar program fills its last record with.
const MOST_END_BLOCKS: usize = 20;

/// What receives the members.
pub(crate) trait Members {
    /// The member `MEMBERS[index]` begins.
    fn begin(&mut self, index: usize, size: u64) -> Result<(), ArchiveError>;
    /// Its next bytes.
    fn data(&mut self, index: usize, bytes: &[u8]) -> Result<(), ArchiveError>;
}

/// Takes a tar archive apart.
pub(crate) struct Untar {
    step: Step,
    block: Block<BLOCK>,
    /// Index of the member that comes next, or is being read.
    member: usize,
    /// Size by PAX records, for the header that comes next.
    pax: Option<u64>,
}

enum Step {
    Header,
    Pax { records: Vec<u8>, left: u64, filling: u64 },
    Data { left: u64, filling: u64 },
    Filling { left: u64 },
    End { blocks: usize },
}

impl Untar {
    pub(crate) const fn new() -> Self {
        Self { step: Step::Header, block: Block::new(), member: 0, pax: None }
    }

    /// Reads the next bytes of the archive.
    pub(crate) fn push(&mut self, mut input: &[u8], members: &mut impl Members) -> Result<(), ArchiveError> {
        while !input.is_empty() {
            match &mut self.step {
                Step::Header => {
                    let Some(block) = self.block.fill(&mut input) else { return Ok(()) };
                    self.step = self.begin(&block, members)?;
                }
                Step::Pax { records, left, .. } => records.extend_from_slice(take_counted(&mut input, left)),
                Step::Data { left, .. } => members.data(self.member, take_counted(&mut input, left))?,
                Step::Filling { left } => zeros(take_counted(&mut input, left))?,
                Step::End { blocks } => {
                    let Some(block) = self.block.fill(&mut input) else { return Ok(()) };
                    zeros(&block)?;
                    *blocks += 1;
                    if *blocks > MOST_END_BLOCKS {
                        return Err(ArchiveError::Filling);
                    }
                }
            }
            self.leave_finished_steps()?;
        }
        Ok(())
    }

    /// Goes on from steps that have nothing left to read, which may be so from their beginning.
    fn leave_finished_steps(&mut self) -> Result<(), ArchiveError> {
        loop {
            self.step = match &self.step {
                Step::Pax { records, left: 0, filling } => {
                    let size =
                        pax_size(records).ok_or_else(|| self.fault("PAX records other than one size"))?;
                    self.pax = Some(size);
                    Step::Filling { left: *filling }
                }
                Step::Data { left: 0, filling } => {
                    self.member += 1;
                    Step::Filling { left: *filling }
                }
                Step::Filling { left: 0 } => Step::Header,
                _ => return Ok(()),
            };
        }
    }

    /// Reads a header block; gives the step that comes behind it.
    fn begin(&mut self, block: &[u8; BLOCK], members: &mut impl Members) -> Result<Step, ArchiveError> {
        if block.iter().all(|byte| *byte == 0) {
            return if self.member == MEMBERS.len() {
                Ok(Step::End { blocks: 1 })
            } else {
                Err(ArchiveError::MissingMember { expected: self.expected() })
            };
        }
        let header = Header::parse(block).map_err(|fault| self.fault(fault))?;
        let filling = header.size.wrapping_neg() % BLOCK as u64;
        if header.kind == Kind::Pax {
            if self.pax.is_some() || header.size > PAX_LIMIT {
                return Err(self.fault("too many PAX records"));
            }
            return Ok(Step::Pax { records: Vec::new(), left: header.size, filling });
        }
        if MEMBERS.get(self.member).is_none_or(|name| name.as_bytes() != header.name) {
            let found = String::from_utf8_lossy(&header.name).into_owned();
            return Err(ArchiveError::UnexpectedMember { found, expected: self.expected() });
        }
        let size = match self.pax.take() {
            Some(size) if header.size == 0 || header.size == size => size,
            Some(_) => return Err(self.fault("two different sizes")),
            None => header.size,
        };
        members.begin(self.member, size)?;
        Ok(Step::Data { left: size, filling: size.wrapping_neg() % BLOCK as u64 })
    }

    fn fault(&self, fault: &'static str) -> ArchiveError {
        ArchiveError::Header { expected: self.expected(), fault }
    }

    /// The part that comes next or is being read, in words.
    pub(crate) fn expected(&self) -> &'static str {
        MEMBERS.get(self.member).copied().unwrap_or(END)
    }

    /// Bytes that come before whatever follows state.bin, once that has begun.
    pub(crate) const fn left_of_state(&self) -> Option<u64> {
        match self.step {
            Step::Data { left, filling } if self.member == STATE => Some(left.saturating_add(filling)),
            Step::Filling { left } if self.member == STATE + 1 => Some(left),
            _ if self.member > STATE => Some(0),
            _ => None,
        }
    }

    /// The archive has ended: was that its end?
    pub(crate) fn finish(&self) -> Result<(), ArchiveError> {
        match self.step {
            Step::End { blocks: END_BLOCKS.. } if self.block.is_empty() => Ok(()),
            _ => Err(ArchiveError::Truncated { inside: self.expected() }),
        }
    }
}

fn take_counted<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let taken = take_front(input, *left);
    *left -= taken.len() as u64;
    taken
}

fn zeros(bytes: &[u8]) -> Result<(), ArchiveError> {
    if bytes.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(ArchiveError::Filling) }
}
