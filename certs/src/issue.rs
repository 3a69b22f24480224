//! Issues the authority and the leaf: P-256, back-dated, with random serials.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
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
#[derive(Clone, Default, PartialEq, Eq)]
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
    Validity,
    /// The system gave no random numbers.
    #[error("no certificate was issued: the system gave no random numbers")]
    Chance,
}

/// A self-signed authority that signs leaves only, valid from [`BACK_DATED`] before `now` until `now + lifetime`.
///
/// # Errors
/// When the validity cannot be written, or without random numbers.
pub fn authority(common_name: &str, now: Timestamp, lifetime: SignedDuration) -> Result<Pair, IssueError> {
    let mut params = base(Vec::new(), now, lifetime)?;
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
    let mut params = base(names.to_vec(), now, lifetime)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn base(
    names: Vec<String>,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<CertificateParams, IssueError> {
    let at = |offset: SignedDuration| {
        let time = now.checked_add(offset).map_err(|_| IssueError::Validity)?;
        OffsetDateTime::from_unix_timestamp(time.as_second()).map_err(|_| IssueError::Validity)
    };
    let mut params = CertificateParams::new(names)?;
    // The library's default subject is a name of its own.
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = at(-BACK_DATED)?;
    params.not_after = at(lifetime)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
    use std::sync::Arc;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn verifies(authority: &Pair, leaf: &Pair, name: &str, at: Timestamp) -> bool {
        let certificate = |pair: &Pair| CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(authority)).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().try_into().unwrap()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&certificate(leaf), &[], &name, &[], at).is_ok()
    }

    #[test]
    fn a_leaf_is_good_for_its_names_and_its_time_only() {
        let authority = authority("test", NOW, HOUR * 24).unwrap();
        let names = ["webhook.system.svc".to_owned(), "127.97.0.9".to_owned()];
        let leaf = leaf(&authority, &names, NOW, HOUR).unwrap();
        for (name, at, good) in [
            ("webhook.system.svc", NOW, true),
            ("127.97.0.9", NOW, true),
            ("other.system.svc", NOW, false),
            ("webhook.system.svc", NOW - BACK_DATED, true),
            ("webhook.system.svc", NOW - BACK_DATED * 2, false),
            ("webhook.system.svc", NOW + HOUR * 2, false),
        ] {
            assert_eq!(verifies(&authority, &leaf, name, at), good, "{name} at {at}");
        }
    }

    #[test]
    fn an_authority_of_the_same_name_does_not_vouch_for_the_leaf() {
        let (ours, other) = (authority("test", NOW, HOUR).unwrap(), authority("test", NOW, HOUR).unwrap());
        let leaf = leaf(&ours, &["a.svc".to_owned()], NOW, HOUR).unwrap();
        assert!(!verifies(&other, &leaf, "a.svc", NOW));
    }

    #[test]
    fn serials_are_positive_and_differ() {
        let (one, two) = (serial().unwrap(), serial().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), SERIAL_OCTETS);
        assert!(one.to_bytes()[0] < 0x80);
    }

    #[test]
    fn a_key_is_never_printed() {
        let pair = authority("test", NOW, HOUR).unwrap();
        assert!(!format!("{pair:?}").contains("PRIVATE KEY"));
    }
}
