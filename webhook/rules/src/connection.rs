//! How the servers of a cluster are reached.

use crate::look::Servers;
use crate::text::{is_blank, is_subdomain, shown};
use crate::verdict::{Found, Reason, found, found_if};
use url::Host;

/// A server that is asked twice would count as two where all of them have to agree.
pub(crate) fn twice(servers: &Servers<'_>) -> Vec<Found> {
    let plain = |address: &String| address.trim_end_matches('/').to_ascii_lowercase();
    let addresses: Vec<String> = servers.connection.addresses.iter().map(plain).collect();
    let again = |(n, address): (usize, &String)| addresses[..n].contains(address).then_some(n);
    let message = "is there already: give each server one address";
    let again = addresses.iter().enumerate().filter_map(again);
    again.map(|n| found(format!("addresses[{n}]"), Reason::Invalid, message)).collect()
}

/// A server that nobody names is never asked, and may be the leader.
pub(crate) fn missing(servers: &Servers<'_>) -> Vec<Found> {
    let (named, replicas) = (servers.connection.addresses.len(), servers.replicas);
    let is_short = named > 0 && usize::try_from(replicas).is_ok_and(|all| named < all);
    let message = format_args!(
        "{named} of {replicas} servers: restores refused, backups may miss the leader; name all or set spec.replicas"
    );
    found_if(is_short, "addresses", Reason::Risky, message)
}

/// An address in any spelling is none: a client would dial it in place of the server's.
fn is_server_name(name: &str) -> bool {
    is_subdomain(&name.to_ascii_lowercase()) && matches!(Host::parse(name), Ok(Host::Domain(_)))
}

pub(crate) fn server_name(servers: &Servers<'_>) -> Vec<Found> {
    let name = servers.connection.tls_server_name.as_deref().filter(|name| !is_blank(name));
    let Some(name) = name else { return Vec::new() };
    let message = format_args!(
        "{} is not a host name: give one that the certificates of the servers carry, or leave it out",
        shown(name, 63)
    );
    found_if(!is_server_name(name), "tlsServerName", Reason::Invalid, message)
}
