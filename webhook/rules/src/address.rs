//! Addresses that credentials are sent to, parsed once and judged by type. Nothing here resolves a name: whoever dials
//! asks [`Networks`] again about each address that a name turns out to have.

mod class;
mod embedded;
mod networks;

pub use class::Class;
pub use networks::{Denied, Door, Networks, NetworksError};

use std::net::IpAddr;
use url::{Host, Url};

/// Longest address.
const BYTES: usize = 2048;
/// Longest host, and longest label of one (RFC 1035).
const HOST_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// End of the name of a Service, which every pod's resolver completes.
const SERVICE: &str = ".svc";
/// The same with the cluster domain that Kubernetes has unless it is told otherwise.
const SERVICE_IN_FULL: &str = ".svc.cluster.local";

/// A URL of scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

/// Why a text is no address; each says the fix too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL at all.
    #[error("is not a URL: give https://host or https://host:port")]
    NotAUrl,
    /// Another scheme.
    #[error("is neither https nor http: give https://host or https://host:port")]
    Scheme,
    /// A name or password before the host.
    #[error("has a user name or an @ in it: leave that out, credentials come from a Secret")]
    UserInfo,
    /// Something after host and port.
    #[error("has a path, query or fragment after the host: leave that out")]
    Beyond,
    /// A host in another spelling than its own, such as an address in hexadecimal.
    #[error("spells its host in another way than as {0}: write it like that")]
    Spelling(String),
    /// A host of other characters.
    #[error("has a host that is no DNS name and no IP address: give one of letters, digits, dashes and dots")]
    Host,
    /// Port 0.
    #[error("has port 0: give the port that is listened on, or leave it out")]
    Port,
}

impl Address {
    /// Parses an address. What other parsers could understand in another way is refused.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if text.len() > BYTES || text.contains(odd) {
            return Err(AddressError::NotAUrl);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::NotAUrl)?;
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::InvalidPort
            | url::ParseError::RelativeUrlWithoutBase
            | url::ParseError::RelativeUrlWithCannotBeABaseBase => AddressError::NotAUrl,
            _ => AddressError::Host,
        })?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(AddressError::Scheme);
        }
        if rest.contains('@') {
            return Err(AddressError::UserInfo);
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, beyond) = rest.split_at(end);
        if !matches!(beyond, "" | "/") {
            return Err(AddressError::Beyond);
        }
        if authority.ends_with(':') {
            return Err(AddressError::NotAUrl);
        }
        if url.port() == Some(0) {
            return Err(AddressError::Port);
        }
        let address = Self(url);
        address.is_plain(authority).map(|()| address)
    }

    /// Whether the host is a name of ordinary letters or an address, and written as what it is.
    fn is_plain(&self, authority: &str) -> Result<(), AddressError> {
        let host = self.0.host_str().unwrap_or_default();
        let label = |label: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
            (1..=LABEL_BYTES).contains(&label.len())
                && label.chars().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_name = matches!(self.0.host(), None | Some(Host::Domain(_)));
        if is_name && !(host.len() <= HOST_BYTES && host.trim_end_matches('.').split('.').all(label)) {
            return Err(AddressError::Host);
        }
        // Behind the last bracket or in front of the only colon: `[::1]:80`, `host:80`.
        let name_end = authority.rfind(']').map_or_else(|| authority.find(':'), |bracket| Some(bracket + 1));
        let (written, _) = authority.split_at(name_end.unwrap_or(authority.len()));
        let own = host.trim_end_matches('.');
        if written.eq_ignore_ascii_case(own) { Ok(()) } else { Err(AddressError::Spelling(own.to_owned())) }
    }

    /// The same scheme and port with another host, which has to be a name: also as a URL would have it, and so no address
    /// in disguise. Names of buckets have underscores.
    #[must_use]
    pub fn with_name(&self, name: &str) -> Option<Self> {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let label = |label: &str| !label.is_empty() && label.chars().all(inner);
        let mut url = self.0.clone();
        url.set_host(Some(name)).ok()?;
        let is_name = name.split('.').all(label) && matches!(url.host(), Some(Host::Domain(_)));
        is_name.then_some(Self(url))
    }

    /// Scheme, host and port, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// The host as resolvers take it: without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// The port that is dialled.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// Whether it is not encrypted.
    #[must_use]
    pub fn is_plaintext(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Whether it is a Service of a cluster, or a pod behind one: `<service>.<namespace>.svc`.
    #[must_use]
    pub fn is_service(&self) -> bool {
        let Some(Host::Domain(name)) = self.0.host() else { return false };
        let inner = name.strip_suffix(SERVICE_IN_FULL).or_else(|| name.strip_suffix(SERVICE));
        inner.is_some_and(|inner| inner.contains('.'))
    }

    /// The class of the host as far as it can be told without resolving it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.0.host() {
            Some(Host::Domain(name)) => Class::of_name(name),
            Some(Host::Ipv4(address)) => Class::of(address.into()),
            Some(Host::Ipv6(address)) => Class::of(address.into()),
            None => Class::Ordinary,
        }
    }

    /// The IP address, where it is written as one.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }
}

#[cfg(test)]
mod tests;
