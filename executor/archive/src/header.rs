//! One 512-byte tar header, as Go's archive/tar writes it: ustar, or a PAX header that carries a size.

/// Size of every block of a tar archive, in bytes.
pub(crate) const BLOCK: usize = 512;

/// What a header announces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its name, which may be any bytes.
    pub(crate) name: Vec<u8>,
    /// What follows.
    pub(crate) kind: Kind,
    /// Bytes that follow, without their filling.
    pub(crate) size: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// PAX records about the file that comes next.
    Pax,
}

impl Header {
    /// Reads a header; an error says what is wrong with it.
    pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<Self, &'static str> {
        if checksum_field(&block[148..156]) != Some(checksum(block)) {
            return Err("wrong checksum");
        }
        if &block[257..265] != b"ustar\x0000" {
            return Err("not ustar");
        }
        let kind = match block[156] {
            b'0' => Kind::File,
            b'x' => Kind::Pax,
            _ => return Err("not a regular file"),
        };
        if block[345..500].iter().any(|byte| *byte != 0) {
            return Err("a name in two parts");
        }
        let name = block[..100].split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        let size = size_field(&block[124..136]).ok_or("unreadable size")?;
        Ok(Self { name, kind, size })
    }
}

/// The sum of all bytes, with the checksum's own field taken as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let own: u64 = block[148..156].iter().map(|byte| u64::from(*byte)).sum();
    block.iter().map(|byte| u64::from(*byte)).sum::<u64>() - own + 8 * u64::from(b' ')
}

/// Six octal digits, NUL, space: the one form that Go writes.
fn checksum_field(field: &[u8]) -> Option<u64> {
    octal(field.strip_suffix(b"\0 ")?)
}

/// Eleven octal digits and NUL. A size that does not fit is 0 here and stands in a PAX record.
fn size_field(field: &[u8]) -> Option<u64> {
    octal(field.strip_suffix(b"\0")?)
}

fn octal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |sum, digit| match digit {
        b'0'..=b'7' => Some(sum * 8 + u64::from(digit - b'0')),
        _ => None,
    })
}

/// Reads PAX records that are one `size` and nothing else: `<length> size=<bytes>\n`.
pub(crate) fn pax_size(records: &[u8]) -> Option<u64> {
    let (length, record) = std::str::from_utf8(records).ok()?.split_once(' ')?;
    if length.parse() != Ok(records.len()) {
        return None;
    }
    let digits = record.strip_prefix("size=")?.strip_suffix('\n')?;
    if digits.starts_with('+') { None } else { digits.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: `parse` of the standard library takes a sign, and a wrong length hides a second record.
    #[test]
    fn only_one_well_formed_size_is_taken() {
        assert_eq!(pax_size(b"19 size=8589934592\n"), Some(8_589_934_592));
        for wrong in ["20 size=8589934592\n", "19 size=8589934592", "11 path=a\n", "10 size=+1\n", "", "x"] {
            assert_eq!(pax_size(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
