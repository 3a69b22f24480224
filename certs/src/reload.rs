//! Serves the newest leaf: a resolver whose pair is swapped while connections go on.

use crate::read::{self, ReadError, Validity};
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;

/// Why a pair was not taken. The pair that was served before still is.
#[derive(Debug, thiserror::Error)]
#[error("the new certificate was not taken: {0}; the pair loaded before stays in use")]
pub struct ReloadError(#[from] ReadError);

struct Loaded {
    key: Arc<CertifiedKey>,
    validity: Validity,
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
        let (key, validity) = read::pair(certificate_pem, key_pem)?;
        self.loaded.store(Some(Arc::new(Loaded { key: Arc::new(key), validity })));
        Ok(validity.not_after)
    }

    /// Whether the pair loaded last is within its validity.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.valid_key(now).is_some()
    }

    fn valid_key(&self, now: Timestamp) -> Option<Arc<CertifiedKey>> {
        let loaded = self.loaded.load();
        loaded.as_ref().filter(|loaded| loaded.validity.contains(now)).map(|loaded| Arc::clone(&loaded.key))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let validity = self.loaded.load().as_ref().map(|loaded| loaded.validity);
        f.debug_struct("Resolver").field("validity", &validity).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.valid_key((self.clock)())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::{Pair, authority, leaf};
    use jiff::SignedDuration;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn a_leaf(lifetime: SignedDuration) -> Pair {
        let authority = authority("test", NOW, HOUR * 24).unwrap();
        leaf(&authority, &["webhook.system.svc".to_owned()], NOW, lifetime).unwrap()
    }

    #[test]
    fn an_expired_leaf_is_not_served() {
        let resolver = Resolver::new(|| NOW);
        assert!(!resolver.is_valid(NOW), "nothing is loaded yet");
        let leaf = a_leaf(HOUR);
        let not_after = resolver.load(&leaf.certificate, &leaf.key).unwrap();
        assert_eq!(not_after, NOW + HOUR);
        assert!(resolver.is_valid(not_after - SignedDuration::from_secs(1)));
        assert!(!resolver.is_valid(not_after));
    }

    #[test]
    fn what_is_no_pair_leaves_the_one_before_in_use() {
        let resolver = Resolver::new(|| NOW);
        let (good, other) = (a_leaf(HOUR), a_leaf(HOUR));
        resolver.load(&good.certificate, &good.key).unwrap();
        for (name, certificate, key) in [
            ("empty files", "", ""),
            ("no key", good.certificate.as_str(), ""),
            ("the key of another", other.certificate.as_str(), good.key.as_str()),
            ("half a file", &good.certificate[..200], good.key.as_str()),
        ] {
            assert!(resolver.load(certificate, key).is_err(), "{name}");
            assert!(resolver.is_valid(NOW), "{name}");
        }
    }
}
