//! Reads certificates back: validity, names, and who signed whom.

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeSet;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// Why a certificate or a pair could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The certificate or the key is no PEM of its kind.
    #[error("the {what} is no PEM: {source}")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// What the parser found.
        source: rustls_pki_types::pem::Error,
    },
    /// The PEM holds no certificate.
    #[error("there is no certificate in the PEM")]
    Empty,
    /// The certificate is no X.509 certificate.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// The key cannot be used, or belongs to another certificate.
    #[error("certificate and key are no pair: {0}")]
    Mismatch(#[from] rustls::Error),
}

/// From when until when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second of it.
    pub not_before: Timestamp,
    /// The second from which on it is expired.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether it is good at `now`.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.not_before <= now && !self.is_over(now)
    }

    /// Whether it is expired at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.not_after <= now
    }
}

/// A certificate with its chain and its key, known to belong together.
pub(crate) fn pair(certificate_pem: &str, key_pem: &str) -> Result<(CertifiedKey, Validity), ReadError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|source| ReadError::Pem { what: "certificate", source })?;
    let validity = validity(chain.first().ok_or(ReadError::Empty)?)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|source| ReadError::Pem { what: "key", source })?;
    Ok((CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?, validity))
}

/// The certificates of a PEM text. What is no certificate is left out.
pub(crate) fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, ReadError> {
    let parsed = parse(certificate)?;
    let at = |time: x509_parser::time::ASN1Time| {
        Timestamp::from_second(time.timestamp()).map_err(|error| ReadError::Certificate(error.to_string()))
    };
    Ok(Validity {
        not_before: at(parsed.validity().not_before)?,
        not_after: at(parsed.validity().not_after)?,
    })
}

/// Whether the certificate may sign others.
pub(crate) fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    parse(certificate).is_ok_and(|parsed| parsed.is_ca())
}

/// Whether the key of `authority` signed `certificate`.
pub(crate) fn signed_by(certificate: &CertificateDer<'_>, authority: &CertificateDer<'_>) -> bool {
    let (Ok(certificate), Ok(authority)) = (parse(certificate), parse(authority)) else { return false };
    certificate.verify_signature(Some(authority.public_key())).is_ok()
}

/// The DNS names and IP addresses that the certificate is for.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> BTreeSet<String> {
    let Ok(parsed) = parse(certificate) else { return BTreeSet::new() };
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return BTreeSet::new() };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => <[u8; 4]>::try_from(*octets)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, ReadError> {
    x509_parser::parse_x509_certificate(certificate)
        .map(|(_, parsed)| parsed)
        .map_err(|error| ReadError::Certificate(error.to_string()))
}
