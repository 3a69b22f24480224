//! Snapshots as OpenBao writes them, made by an independent tar writer; and bent ones.

use sha2::{Digest, Sha256};

/// Its own, since this file is also part of the executor's tests, which have no other piece of this crate.
fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What to put into a snapshot.
pub(crate) struct Parts {
    /// Members by name, in order.
    pub(crate) members: Vec<(&'static str, Vec<u8>)>,
    /// What stands behind the members.
    pub(crate) end: Vec<u8>,
}

impl Parts {
    /// A faithful snapshot.
    pub(crate) fn good() -> Self {
        Self::of(&state(&records()))
    }

    /// A snapshot with this state.bin, and all else in agreement.
    pub(crate) fn of(state: &[u8]) -> Self {
        let meta = format!(
            r#"{{"Version":1,"ID":"bolt-snapshot","Index":33,"Term":3,"Peers":null,"Configuration":{{"Servers":[]}},"ConfigurationIndex":1,"Size":{}}}"#,
            state.len()
        ) + "\n";
        let mut parts = Self {
            members: vec![
                ("meta.json", meta.into_bytes()),
                ("state.bin", state.to_vec()),
                ("SHA256SUMS", Vec::new()),
                ("SHA256SUMS.sealed", b"\x0a\x06cipher\x12\x02iv\x2a\x04\x1a\x02k1".to_vec()),
            ],
            end: vec![0; 1024],
        };
        parts.sign();
        parts
    }

    /// Lists the hashes of the first two members in the third.
    pub(crate) fn sign(&mut self) {
        let line = |index: usize| {
            format!("{}  {}\n", hex(&Sha256::digest(&self.members[index].1)), self.members[index].0)
        };
        self.members[2].1 = (line(1) + &line(0)).into_bytes();
    }

    /// The tar archive.
    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, bytes) in &self.members {
            tar.extend(member(name, bytes));
        }
        tar.extend(&self.end);
        tar
    }

    /// The object.
    pub(crate) fn object(&self) -> Vec<u8> {
        gzip(&self.tar())
    }
}

/// One member: header, content, filling.
pub(crate) fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
    block(tar::EntryType::Regular, name, bytes.len() as u64, bytes)
}

/// A header of this kind and size, whatever follows it.
pub(crate) fn block(kind: tar::EntryType, name: &str, size: u64, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(1_774_000_000);
    header.set_entry_type(kind);
    header.set_cksum();
    // Go ends the checksum with a space behind the NUL, the tar crate writes seven digits.
    let sum = format!("{:06o}\0 ", header.cksum().unwrap());
    header.as_mut_bytes()[148..156].copy_from_slice(sum.as_bytes());
    let mut out = header.as_bytes().to_vec();
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// Stored blocks and an empty last one, as Go's gzip writes them at level 0.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let blocks: Vec<u8> = plain.chunks(65_535).flat_map(stored).collect();
    gzip_of(plain, &blocks)
}

/// A gzip stream whose deflate blocks are these and an empty last one.
pub(crate) fn gzip_of(plain: &[u8], blocks: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    out.extend(blocks);
    out.extend([0x03, 0x00]);
    let mut crc = flate2::Crc::new();
    crc.update(plain);
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
    out
}

/// A stored deflate block.
pub(crate) fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let mut block = vec![0];
    block.extend(length.to_le_bytes());
    block.extend((!length).to_le_bytes());
    block.extend(bytes);
    block
}

/// With what an object can be padded: a server applies each of these before its last 256 KiB arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Padding {
    /// 512 KiB of zeros behind the tar archive.
    Zeros,
    /// 60 000 stored deflate blocks without content, before the last block.
    EmptyBlocks,
    /// 14 000 gzip members without content, behind the one that has the archive.
    EmptyMembers,
}

/// The object of these parts, padded.
pub(crate) fn padded(padding: Padding, parts: &Parts) -> Vec<u8> {
    let tar = parts.tar();
    match padding {
        Padding::Zeros => gzip(&[tar, vec![0; 512 * 1024]].concat()),
        Padding::EmptyBlocks => {
            let blocks: Vec<u8> = tar.chunks(65_535).flat_map(stored).collect();
            gzip_of(&tar, &[blocks, stored(b"").repeat(60_000)].concat())
        }
        Padding::EmptyMembers => [gzip(&tar), gzip(b"").repeat(14_000)].concat(),
    }
}

/// One storage entry, length first.
pub(crate) fn record(key: &str, value: &[u8], seal_wrap: bool) -> Vec<u8> {
    let mut entry = vec![0x0a];
    entry.extend(varint(key.len()));
    entry.extend(key.as_bytes());
    if !value.is_empty() {
        entry.push(0x12);
        entry.extend(varint(value.len()));
        entry.extend(value);
    }
    if seal_wrap {
        entry.extend([0x18, 1]);
    }
    [varint(entry.len()), entry].concat()
}

/// The records that every snapshot has, and a few more.
pub(crate) fn records() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("core/hsm/barrier-unseal-keys", b"root key under the seal key".to_vec()),
        ("core/keyring", vec![7; 200]),
        ("core/seal-config", br#"{"type":"shamir","secret_shares":5,"secret_threshold":3}"#.to_vec()),
        ("core/versions/2.10.0", Vec::new()),
        ("core/versions/2.6.1", vec![1]),
        ("core/versions/2.7.0-beta20260301", vec![1]),
        ("logical/kv", vec![9; 300]),
    ]
}

/// state.bin of these records, in the order given.
pub(crate) fn state(records: &[(&'static str, Vec<u8>)]) -> Vec<u8> {
    records.iter().flat_map(|(key, value)| record(key, value, key.len() % 2 == 0)).collect()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}
