//! SHA256SUMS.sealed: the list of hashes again, encrypted by the seal of the cluster. Protobuf `BlobInfo`: ciphertext,
//! iv, (two old fields), key info. What it says cannot be read without the seal; that it is one can.

/// Whether the bytes are a `BlobInfo` with a ciphertext. OpenBao's handler panics on an empty one (static seal).
pub(crate) fn is_blob(mut bytes: &[u8]) -> bool {
    let mut ciphertext = false;
    while !bytes.is_empty() {
        let Some(tag) = varint(&mut bytes) else { return false };
        let length = match (tag >> 3, tag & 7) {
            (0, _) => return false,
            (_, 0) => match varint(&mut bytes) {
                Some(_) => 0,
                None => return false,
            },
            (_, 2) => match varint(&mut bytes).and_then(|length| usize::try_from(length).ok()) {
                Some(length) => length,
                None => return false,
            },
            _ => return false,
        };
        let Some((_, rest)) = bytes.split_at_checked(length) else { return false };
        bytes = rest;
        ciphertext |= tag == CIPHERTEXT && length > 0;
    }
    ciphertext
}

/// Field 1, length-delimited.
const CIPHERTEXT: u64 = (1 << 3) | 2;

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: a dry run with a list that is no list makes the server's handler panic.
    #[test]
    fn a_list_without_ciphertext_is_none() {
        assert!(is_blob(b"\x0a\x03abc\x12\x02iv\x2a\x00"));
        for wrong in
            [&b""[..], b"\x0a\x00", b"\x12\x02iv", b"\x0a\x04abc", b"\x0b", b"\xff\xff", b"not a blob"]
        {
            assert!(!is_blob(wrong), "{wrong:?}");
        }
    }
}
