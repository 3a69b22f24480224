//! Serves the newest leaf: a resolver whose pair is swapped while connections go on.

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::sync::Arc;

/// Why a pair was not taken. The pair that was served before still is.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The certificate or the key is no PEM of its kind.
    #[error("the {what} is no PEM: {source}; the pair loaded before stays in use")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// What the parser found.
        source: rustls_pki_types::pem::Error,
    },
    /// The file of certificates holds none.
    #[error("there is no certificate in the PEM; the pair loaded before stays in use")]
    Empty,
    /// The certificate is no X.509 certificate.
    #[error("the certificate cannot be read: {0}; the pair loaded before stays in use")]
    Certificate(String),
    /// The key cannot be used or belongs to another certificate.
    #[error("certificate and key are no pair: {0}; the pair loaded before stays in use")]
    Mismatch(#[from] rustls::Error),
}

struct Loaded {
    key: Arc<CertifiedKey>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Gives the newest pair to each handshake. An expired leaf is never served: the handshake is refused instead.
pub struct Resolver {
    loaded: ArcSwapOption<Loaded>,
    clock: fn() -> Timestamp,
}

impl Resolver {
    /// A resolver without a pair: until [`load`](Self::load), every handshake is refused. `clock` tells the time of
    /// each handshake.
    #[must_use]
    pub fn new(clock: fn() -> Timestamp) -> Self {
        Self { loaded: ArcSwapOption::empty(), clock }
    }

    /// Serves this pair from now on; the certificate may be followed by its chain. Gives back when it expires.
    ///
    /// # Errors
    /// When it does not parse or the key is not the certificate's; the pair before stays.
    pub fn load(&self, certificate_pem: &str, key_pem: &str) -> Result<Timestamp, ReloadError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|source| ReloadError::Pem { what: "certificate", source })?;
        let first = chain.first().ok_or(ReloadError::Empty)?;
        let (not_before, not_after) = validity(first)?;
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
            .map_err(|source| ReloadError::Pem { what: "key", source })?;
        let key = Arc::new(CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?);
        self.loaded.store(Some(Arc::new(Loaded { key, not_before, not_after })));
        Ok(not_after)
    }

    /// Whether the pair loaded last is within its validity.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.valid_key(now).is_some()
    }

    fn valid_key(&self, now: Timestamp) -> Option<Arc<CertifiedKey>> {
        let loaded = self.loaded.load();
        let loaded = loaded.as_ref()?;
        (loaded.not_before <= now && now < loaded.not_after).then(|| Arc::clone(&loaded.key))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not_after = self.loaded.load().as_ref().map(|loaded| loaded.not_after);
        f.debug_struct("Resolver").field("not_after", &not_after).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.valid_key((self.clock)())
    }
}

fn validity(certificate: &CertificateDer<'_>) -> Result<(Timestamp, Timestamp), ReloadError> {
    let unreadable = |error: &dyn fmt::Display| ReloadError::Certificate(error.to_string());
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| unreadable(&error))?;
    let at = |time: x509_parser::time::ASN1Time| {
        Timestamp::from_second(time.timestamp()).map_err(|error| unreadable(&error))
    };
    Ok((at(parsed.validity().not_before)?, at(parsed.validity().not_after)?))
}
