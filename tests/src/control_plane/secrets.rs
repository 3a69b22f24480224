//! Random text, and files that only their owner may read.

use rustls::crypto::aws_lc_rs;
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Random octets of a token, which is twice as many hexadecimal digits.
const OCTETS: usize = 16;

/// The system gave no random numbers. Nothing was started with what would have been a known secret.
#[derive(Debug, thiserror::Error)]
#[error(
    "the system gave no random numbers for the secrets of the cluster; nothing was started with a known one"
)]
pub struct ChanceError;

/// 128 random bits as 32 hexadecimal digits.
pub(crate) fn token() -> Result<String, ChanceError> {
    let mut octets = [0_u8; OCTETS];
    aws_lc_rs::default_provider().secure_random.fill(&mut octets).map_err(|_| ChanceError)?;
    Ok(octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    }))
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, contents: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, contents.as_bytes())
}
