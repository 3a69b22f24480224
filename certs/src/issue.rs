//! Issues the authority and the leaf: P-256, back-dated, with random serials.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SerialNumber,
};
use rustls::crypto::aws_lc_rs;
use std::fmt;
use time::OffsetDateTime;

/// How far `notBefore` lies in the past: the API server's clock may be behind ours, and would call a new certificate
/// not yet valid.
pub const BACK_DATED: SignedDuration = SignedDuration::from_mins(5);

/// Octets of a serial: 128 bits, of which the first is kept clear so that the integer is positive. Two certificates of
/// one authority must never share issuer and serial, and a hash of the key would repeat with the key.
const SERIAL_OCTETS: usize = 16;

/// A certificate and its key, both PEM. The key is PKCS #8 and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: String,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Why no certificate was issued. Nothing was written anywhere.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The library refused: a name that is none, or an authority that does not parse.
    #[error("no certificate was issued: {0}; check the names and the authority's PEM")]
    Refused(#[from] rcgen::Error),
    /// A validity outside the years that a certificate can say.
    #[error("no certificate was issued: its validity cannot be written; check the clock")]
    Time(#[from] time::error::ComponentRange),
    /// The system gave no random numbers.
    #[error("no certificate was issued: the system gave no random numbers")]
    Chance,
}

/// A self-signed authority that signs leaves only, valid from [`BACK_DATED`] before `now` until `now + lifetime`.
///
/// # Errors
/// When the validity cannot be written, or without random numbers.
pub fn authority(common_name: &str, now: Timestamp, lifetime: SignedDuration) -> Result<Pair, IssueError> {
    let mut params = base(Vec::new(), now, now + lifetime)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A server certificate for `names` (DNS names or IP addresses), signed by `authority`, valid from [`BACK_DATED`]
/// before `now` until `now + lifetime`. That its end does not outlive the authority's is the caller's part.
///
/// # Errors
/// When a name or the authority does not parse, the validity cannot be written, or without random numbers.
pub fn leaf(
    authority: &Pair,
    names: &[String],
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<Pair, IssueError> {
    let mut params = base(names.to_vec(), now, now + lifetime)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn base(names: Vec<String>, now: Timestamp, not_after: Timestamp) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::new(names)?;
    // The library's default subject is a name of its own.
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = OffsetDateTime::from_unix_timestamp((now - BACK_DATED).as_second())?;
    params.not_after = OffsetDateTime::from_unix_timestamp(not_after.as_second())?;
    params.serial_number = Some(serial()?);
    Ok(params)
}

fn serial() -> Result<SerialNumber, IssueError> {
    let mut octets = [0_u8; SERIAL_OCTETS];
    aws_lc_rs::default_provider().secure_random.fill(&mut octets).map_err(|_| IssueError::Chance)?;
    // Neither negative nor led by a zero octet, which DER would have to drop.
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&octets))
}
