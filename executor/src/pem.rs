//! Authorities out of mounted files.

use crate::report::told;
use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates of a PEM text: at least one, and each usable as an authority. An error says what is wrong.
pub(crate) fn authorities(pem: &str) -> Result<Vec<Certificate>, String> {
    let certificate = |der: &CertificateDer<'_>| Certificate::from_der(der).map_err(|error| told(&error));
    usable(pem)?.iter().map(certificate).collect()
}

/// The same, for connections that are our own.
pub(crate) fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(usable(pem)?);
    Ok(roots)
}

fn usable(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut certificates = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let der = der.map_err(|error| error.to_string())?;
        RootCertStore::empty().add(der.clone()).map_err(|error| told(&error))?;
        certificates.push(der);
    }
    if certificates.is_empty() { Err("it has no PEM certificate".to_owned()) } else { Ok(certificates) }
}
