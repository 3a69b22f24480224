//! A buffer of fixed size that fills up over many calls.

/// The first `N` bytes of a part, however they arrive.
pub(crate) struct Block<const N: usize> {
    bytes: [u8; N],
    filled: usize,
}

impl<const N: usize> Block<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], filled: 0 }
    }

    /// Takes what is missing from the front of `input`. Once whole, gives the block and begins the next one.
    pub(crate) fn fill(&mut self, input: &mut &[u8]) -> Option<[u8; N]> {
        let (taken, rest) = input.split_at(input.len().min(N - self.filled));
        self.bytes[self.filled..self.filled + taken.len()].copy_from_slice(taken);
        self.filled += taken.len();
        *input = rest;
        if self.filled < N {
            return None;
        }
        self.filled = 0;
        Some(self.bytes)
    }

    /// Whether no byte of the next block has come.
    pub(crate) const fn is_empty(&self) -> bool {
        self.filled == 0
    }
}

/// Takes at most `limit` bytes off the front of `input`.
pub(crate) fn take_front<'a>(input: &mut &'a [u8], limit: u64) -> &'a [u8] {
    let count = usize::try_from(limit).map_or(input.len(), |limit| limit.min(input.len()));
    let (taken, rest) = input.split_at(count);
    *input = rest;
    taken
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |text, byte| text + &format!("{byte:02x}"))
}
