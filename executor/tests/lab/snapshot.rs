//! A large snapshot, written as a stream.

use crate::testing::{block, record};
use api::names::hexadecimal;
use api::task::Pinned;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const VALUE: usize = 1 << 20;
const BLOCK: usize = 512;

/// Writes one with this many values of 1 MiB.
pub(crate) fn write_snapshot(path: &Path, values: usize) -> Pinned {
    let mut state = Hashed::new(io::sink());
    records(values, &mut state);
    let size = state.bytes;
    let meta = format!(
        r#"{{"Version":1,"ID":"bolt-snapshot","Index":33,"Term":3,"Peers":null,"Configuration":{{"Servers":[]}},"ConfigurationIndex":1,"Size":{size}}}"#
    ) + "\n";
    let sums = format!(
        "{}  state.bin\n{}  meta.json\n",
        hexadecimal(&state.digest.finalize()),
        hexadecimal(&Sha256::digest(&meta))
    );
    let object = Hashed::new(BufWriter::new(File::create(path).unwrap()));
    let mut gzip = GzEncoder::new(object, Compression::none());
    let file = tar::EntryType::Regular;
    gzip.write_all(&block(file, "meta.json", meta.len() as u64, meta.as_bytes())).unwrap();
    gzip.write_all(&block(file, "state.bin", size, b"")).unwrap();
    records(values, &mut gzip);
    let filling = usize::try_from(size).unwrap().next_multiple_of(BLOCK) - usize::try_from(size).unwrap();
    gzip.write_all(&vec![0; filling]).unwrap();
    gzip.write_all(&block(file, "SHA256SUMS", sums.len() as u64, sums.as_bytes())).unwrap();
    let sealed = b"\x0a\x06cipher\x12\x02iv\x2a\x04\x1a\x02k1";
    gzip.write_all(&block(file, "SHA256SUMS.sealed", sealed.len() as u64, sealed)).unwrap();
    gzip.write_all(&[0; 2 * BLOCK]).unwrap();
    let mut object = gzip.finish().unwrap();
    object.flush().unwrap();
    let etag = Some("\"etag\"".to_owned());
    Pinned { size: object.bytes, sha256: hexadecimal(&object.digest.finalize()), etag, version: None }
}

/// What every snapshot has, and values that nothing could compress.
fn records(values: usize, to: &mut impl Write) {
    for (key, value) in crate::testing::records() {
        to.write_all(&record(key, &value, false)).unwrap();
    }
    let mut value = vec![0; VALUE];
    let mut random = 1_u64;
    for number in 0..values {
        for eight in value.chunks_exact_mut(8) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            eight.copy_from_slice(&random.to_le_bytes());
        }
        to.write_all(&record(&format!("logical/x/{number:08}"), &value, false)).unwrap();
    }
}

struct Hashed<W> {
    inner: W,
    digest: Sha256,
    bytes: u64,
}

impl<W: Write> Hashed<W> {
    fn new(inner: W) -> Self {
        Self { inner, digest: Sha256::new(), bytes: 0 }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write_all(bytes)?;
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
