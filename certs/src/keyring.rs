//! What the PKI Secret holds, and how each change of the rotation rewrites it.

use crate::issue::{self, IssueError, Pair};
use crate::read;
use crate::renew::{AUTHORITY_LIFETIME, Change, LEAF_LIFETIME, State, is_retired};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::collections::HashSet;

/// Common name of every authority. Two of them are told apart by their key identifiers.
const COMMON_NAME: &str = "OpenBao Recovery admission";

/// Ends each certificate in a PEM text.
const PEM_END: &str = "-----END CERTIFICATE-----";

/// Every pair that the Secret holds, PEM; an absent one is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    /// What the webhook serves.
    pub leaf: Pair,
    /// The authority that signs.
    pub signer: Pair,
    /// The authority that will sign once it is trusted everywhere.
    pub next: Pair,
    /// Authorities that sign no more, and the last leaf of each, certificates only.
    pub previous: String,
}

impl Keyring {
    /// Reads the data of the Secret; `value` gives the text under a key, empty if there is none.
    pub fn from_data(value: impl Fn(&str) -> String) -> Self {
        let pair = |certificate: &str, key: &str| Pair { certificate: value(certificate), key: value(key) };
        Self {
            leaf: pair("tls.crt", "tls.key"),
            signer: pair("ca.crt", "ca.key"),
            next: pair("next-ca.crt", "next-ca.key"),
            previous: value("previous.crt"),
        }
    }

    /// The data of the Secret. `tls.crt` and `tls.key` are what a Secret of type `kubernetes.io/tls` must have.
    #[must_use]
    pub fn data(&self) -> [(&'static str, &str); 7] {
        [
            ("tls.crt", &self.leaf.certificate),
            ("tls.key", &self.leaf.key),
            ("ca.crt", &self.signer.certificate),
            ("ca.key", &self.signer.key),
            ("next-ca.crt", &self.next.certificate),
            ("next-ca.key", &self.next.key),
            ("previous.crt", &self.previous),
        ]
    }

    /// Every authority that has to be trusted, PEM; empty before the first one.
    #[must_use]
    pub fn bundle(&self) -> String {
        [&self.signer.certificate, &self.next.certificate, &self.previous]
            .into_iter()
            .flat_map(|pem| blocks(pem))
            .filter(|(_, certificate)| read::is_authority(certificate))
            .map(|(pem, _)| pem)
            .collect()
    }

    /// Whether `ca_bundle`, PEM as read back from a configuration, has exactly the authorities of [`Self::bundle`].
    #[must_use]
    pub fn is_published_in(&self, ca_bundle: &[u8]) -> bool {
        let set = |pem: &[u8]| read::certificates(pem).into_iter().collect::<HashSet<_>>();
        set(ca_bundle) == set(self.bundle().as_bytes())
    }

    /// Whether `ca_bundle` trusts the leaf that is served, and the leaf is good at `now`.
    #[must_use]
    pub fn is_trusted_by(&self, ca_bundle: &[u8], now: Timestamp) -> bool {
        let Some(leaf) = first(&self.leaf.certificate) else { return false };
        read::validity(&leaf).is_ok_and(|validity| validity.contains(now))
            && read::certificates(ca_bundle).iter().any(|authority| read::signed_by(&leaf, authority))
    }

    /// What the decision needs to know. `names` are those that the leaf has to bear.
    #[must_use]
    pub fn state(&self, names: &[String], published: bool) -> State {
        let validity =
            |pair: &Pair| read::pair(&pair.certificate, &pair.key).ok().map(|(_, validity)| validity);
        let authority = |pair: &Pair| {
            validity(pair).filter(|_| first(&pair.certificate).is_some_and(|it| read::is_authority(&it)))
        };
        State {
            signer: authority(&self.signer),
            next: authority(&self.next),
            previous: self.previous_ends().into_iter().map(|(_, end)| end).collect(),
            leaf: validity(&self.leaf).filter(|_| self.leaf_is_ours(names)),
            published,
        }
    }

    /// The keyring after a change. Nothing is written.
    ///
    /// # Errors
    /// When no certificate can be issued; this keyring is as good as before.
    pub fn changed(&self, change: Change, names: &[String], now: Timestamp) -> Result<Self, IssueError> {
        let mut changed = self.clone();
        match change {
            Change::AddAuthority => changed.next = issue::authority(COMMON_NAME, now, AUTHORITY_LIFETIME)?,
            Change::RenewLeaf => changed.leaf = leaf(&self.signer, names, now)?,
            Change::Promote => {
                changed.leaf = leaf(&self.next, names, now)?;
                changed.signer = std::mem::take(&mut changed.next);
                for pem in [&self.signer.certificate, &self.leaf.certificate] {
                    changed.previous.extend(blocks(pem).into_iter().map(|(pem, _)| pem));
                }
            }
            Change::Retire => changed.previous = self.previous_needed(now),
        }
        Ok(changed)
    }

    fn leaf_is_ours(&self, names: &[String]) -> bool {
        let (Some(leaf), Some(signer)) = (first(&self.leaf.certificate), first(&self.signer.certificate))
        else {
            return false;
        };
        read::signed_by(&leaf, &signer) && read::names(&leaf) == names.iter().cloned().collect()
    }

    /// Each previous authority with the time when its last leaf expires: its own end if no leaf of it is known.
    fn previous_ends(&self) -> Vec<(CertificateDer<'static>, Timestamp)> {
        let end = |certificate: &CertificateDer<'_>| read::validity(certificate).ok().map(|it| it.not_after);
        let (authorities, leaves): (Vec<_>, Vec<_>) =
            read::certificates(self.previous.as_bytes()).into_iter().partition(|it| read::is_authority(it));
        authorities
            .into_iter()
            .filter_map(|authority| {
                let last =
                    leaves.iter().filter(|leaf| read::signed_by(leaf, &authority)).filter_map(end).max();
                last.or_else(|| end(&authority)).map(|end| (authority, end))
            })
            .collect()
    }

    fn previous_needed(&self, now: Timestamp) -> String {
        let mut ends = self.previous_ends();
        ends.retain(|(_, end)| !is_retired(*end, now));
        let needed = |certificate: &CertificateDer<'_>| {
            ends.iter()
                .any(|(authority, _)| authority == certificate || read::signed_by(certificate, authority))
        };
        blocks(&self.previous).into_iter().filter(|(_, it)| needed(it)).map(|(pem, _)| pem).collect()
    }
}

/// A leaf that does not outlive its authority.
fn leaf(authority: &Pair, names: &[String], now: Timestamp) -> Result<Pair, IssueError> {
    let authority_end = first(&authority.certificate)
        .and_then(|certificate| read::validity(&certificate).ok())
        .map_or(LEAF_LIFETIME, |validity| validity.not_after.duration_since(now));
    issue::leaf(authority, names, now, LEAF_LIFETIME.min(authority_end))
}

fn first(pem: &str) -> Option<CertificateDer<'static>> {
    read::certificates(pem.as_bytes()).into_iter().next()
}

/// Each certificate of a PEM text, with its own text.
fn blocks(pem: &str) -> Vec<(String, CertificateDer<'static>)> {
    pem.split_inclusive(PEM_END)
        .filter_map(|block| {
            let certificate = CertificateDer::from_pem_slice(block.as_bytes()).ok()?;
            Some((format!("{}\n", block.trim()), certificate))
        })
        .collect()
}

#[cfg(test)]
mod tests;
