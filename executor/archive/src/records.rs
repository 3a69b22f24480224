//! state.bin: storage entries, each behind its length. Protobuf: 1 = key, 2 = value, 3 = wrapped by the seal.

use crate::buffer::take_front;
use crate::error::{ArchiveError, RecordFault};
use crate::inventory::Inventory;

/// Longest key in bytes: bbolt, which the server keeps its data in, takes no longer one.
const KEY_LIMIT: u64 = 32_768;
const KEY: u8 = (1 << 3) | 2;
const VALUE: u8 = (2 << 3) | 2;
const SEAL_WRAP: u8 = 3 << 3;

/// Reads the records of one state.bin.
pub(crate) struct Records {
    step: Step,
    number: Varint,
    /// Bytes of state.bin not yet read.
    state_left: u64,
    /// Bytes of the current record not yet read.
    record_left: u64,
    /// Tag of the last field of the current record, 0 before the first: fields come in ascending order.
    last_field: u8,
    key: Vec<u8>,
    previous: Vec<u8>,
    count: u64,
    inventory: Inventory,
}

#[derive(Clone, Copy)]
enum Step {
    Length,
    Tag,
    KeyLength,
    Key { left: u64 },
    ValueLength,
    Value { left: u64 },
    SealWrap,
}

impl Records {
    pub(crate) const fn new(size: u64) -> Self {
        Self {
            step: Step::Length,
            number: Varint::new(),
            state_left: size,
            record_left: 0,
            last_field: 0,
            key: Vec::new(),
            previous: Vec::new(),
            count: 0,
            inventory: Inventory::new(),
        }
    }

    /// Reads the next bytes of state.bin; never more than its size in all.
    pub(crate) fn push(&mut self, mut input: &[u8]) -> Result<(), ArchiveError> {
        while !input.is_empty() {
            self.read(&mut input)
                .and_then(|()| self.settle())
                .map_err(|fault| ArchiveError::Record { number: self.count + 1, fault })?;
        }
        Ok(())
    }

    /// Reads what the current step can take, at least one byte.
    fn read(&mut self, input: &mut &[u8]) -> Result<(), RecordFault> {
        match self.step {
            Step::Key { left } => {
                let taken = self.take(input, left);
                self.key.extend_from_slice(taken);
                self.step = Step::Key { left: left - taken.len() as u64 };
            }
            Step::Value { left } => {
                let taken = self.take(input, left);
                self.inventory.value(taken);
                self.step = Step::Value { left: left - taken.len() as u64 };
            }
            step => {
                for byte in self.take(input, 1) {
                    self.step = self.byte(step, *byte)?;
                }
            }
        }
        Ok(())
    }

    fn take<'a>(&mut self, input: &mut &'a [u8], limit: u64) -> &'a [u8] {
        let taken = take_front(input, limit);
        let count = taken.len() as u64;
        self.state_left = self.state_left.saturating_sub(count);
        if !matches!(self.step, Step::Length) {
            self.record_left = self.record_left.saturating_sub(count);
        }
        taken
    }

    /// Reads a tag, or one byte of a number; gives the step that goes on.
    fn byte(&mut self, step: Step, byte: u8) -> Result<Step, RecordFault> {
        if matches!(step, Step::Tag) {
            return self.tag(byte);
        }
        let Some(number) = self.number.push(byte)? else { return Ok(step) };
        match step {
            Step::Length | Step::KeyLength if number == 0 => Err(RecordFault::NoKey),
            Step::Length if number > self.state_left => Err(RecordFault::TooShort),
            Step::Length => {
                self.record_left = number;
                Ok(Step::Tag)
            }
            Step::KeyLength if number > KEY_LIMIT => Err(RecordFault::LongKey),
            Step::KeyLength | Step::ValueLength if number > self.record_left => Err(RecordFault::TooShort),
            Step::KeyLength => Ok(Step::Key { left: number }),
            Step::ValueLength => Ok(Step::Value { left: number }),
            Step::SealWrap if number > 1 => Err(RecordFault::Field),
            _ => Ok(Step::Tag),
        }
    }

    fn tag(&mut self, tag: u8) -> Result<Step, RecordFault> {
        if self.last_field == 0 && tag != KEY {
            return Err(RecordFault::NoKey);
        }
        if tag <= self.last_field {
            return Err(RecordFault::Field);
        }
        self.last_field = tag;
        match tag {
            KEY => Ok(Step::KeyLength),
            VALUE => Ok(Step::ValueLength),
            SEAL_WRAP => Ok(Step::SealWrap),
            _ => Err(RecordFault::Field),
        }
    }

    /// Leaves a key or value that is whole, and then a record that is.
    fn settle(&mut self) -> Result<(), RecordFault> {
        match self.step {
            Step::Key { left: 0 } => {
                self.key_read()?;
                self.step = Step::Tag;
            }
            Step::Value { left: 0 } => self.step = Step::Tag,
            _ => {}
        }
        match self.step {
            Step::Tag if self.record_left == 0 => {
                self.inventory.end();
                std::mem::swap(&mut self.previous, &mut self.key);
                self.key.clear();
                self.last_field = 0;
                self.count += 1;
                self.step = Step::Length;
                Ok(())
            }
            Step::Length => Ok(()),
            _ if self.record_left == 0 => Err(RecordFault::TooShort),
            _ => Ok(()),
        }
    }

    fn key_read(&mut self) -> Result<(), RecordFault> {
        let key = std::str::from_utf8(&self.key).map_err(|_| RecordFault::KeyText)?;
        if self.key <= self.previous {
            return Err(RecordFault::Order);
        }
        self.inventory.begin(key);
        Ok(())
    }

    /// All of state.bin was pushed: did it end on a record? Gives how many there are, and what was found in them.
    pub(crate) fn finish(self) -> Result<(u64, Inventory), ArchiveError> {
        if matches!(self.step, Step::Length) && self.number.is_empty() {
            Ok((self.count, self.inventory))
        } else {
            Err(ArchiveError::Record { number: self.count + 1, fault: RecordFault::TooShort })
        }
    }
}

/// A protobuf varint that arrives byte by byte.
struct Varint {
    value: u64,
    shift: u32,
}

impl Varint {
    const fn new() -> Self {
        Self { value: 0, shift: 0 }
    }

    const fn is_empty(&self) -> bool {
        self.shift == 0
    }

    /// Takes the next byte; gives the number once it is whole, and begins the next one.
    fn push(&mut self, byte: u8) -> Result<Option<u64>, RecordFault> {
        let bits = u64::from(byte & 0x7f);
        if self.shift == 63 && bits > 1 || self.shift > 63 {
            return Err(RecordFault::Number);
        }
        self.value |= bits << self.shift;
        self.shift += 7;
        if byte & 0x80 != 0 {
            return Ok(None);
        }
        let value = self.value;
        *self = Self::new();
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests;
