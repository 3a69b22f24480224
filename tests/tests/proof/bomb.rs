//! A few kilobytes that become as many as one likes.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write, repeat};

/// Begins like a snapshot; its state.bin has this many bytes, of which nearly all are zeros in the value of one record.
pub(crate) fn bomb(size: u64) -> Vec<u8> {
    let meta = format!(
        r#"{{"Version":1,"ID":"bolt-snapshot","Index":33,"Term":3,"Peers":null,"Configuration":{{"Servers":[]}},"ConfigurationIndex":1,"Size":{size}}}"#
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    member(&mut gzip, "meta.json", meta.len() as u64, meta.as_bytes());
    // The key "a", then a value of all the rest.
    let record = |value: u64| [&[0x0a, 1, b'a', 0x12][..], &varint(value)].concat();
    let before = |value: u64| [varint(record(value).len() as u64 + value), record(value)].concat();
    let value = size - before(size).len() as u64;
    let state = before(value);
    let zeros = repeat(0).take(size - state.len() as u64);
    member(&mut gzip, "state.bin", size, state.as_slice().chain(zeros));
    gzip.finish().unwrap()
}

fn member(archive: &mut impl Write, name: &str, size: u64, mut content: impl Read) {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_cksum();
    archive.write_all(header.as_bytes()).unwrap();
    std::io::copy(&mut content, archive).unwrap();
    let filling = size.next_multiple_of(512) - size;
    std::io::copy(&mut repeat(0).take(filling), archive).unwrap();
}

fn varint(mut number: u64) -> Vec<u8> {
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
