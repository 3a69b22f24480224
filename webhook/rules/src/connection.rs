//! How the servers of a cluster are reached.

use crate::text::{is_blank, is_subdomain, shown};
use crate::verdict::{Found, Reason, found, found_if};
use api::Connection;
use url::Host;

/// A server that is asked twice would count as two where all of them have to agree.
pub(crate) fn twice(connection: &Connection) -> Vec<Found> {
    let plain = |address: &String| address.trim_end_matches('/').to_ascii_lowercase();
    let addresses: Vec<String> = connection.addresses.iter().map(plain).collect();
    let again = |(n, address): (usize, &String)| addresses[..n].contains(address).then_some(n);
    let message = "is there already: give each server one address";
    let again = addresses.iter().enumerate().filter_map(again);
    again.map(|n| found(format!("addresses[{n}]"), Reason::Invalid, message)).collect()
}

/// An address in any spelling is none: a client would dial it in place of the server's.
fn is_server_name(name: &str) -> bool {
    is_subdomain(&name.to_ascii_lowercase()) && matches!(Host::parse(name), Ok(Host::Domain(_)))
}

pub(crate) fn server_name(connection: &Connection) -> Vec<Found> {
    let name = connection.tls_server_name.as_deref().filter(|name| !is_blank(name));
    let Some(name) = name else { return Vec::new() };
    let message = format_args!(
        "{} is not a host name: give one that the certificates of the servers carry, or leave it out",
        shown(name, 63)
    );
    found_if(!is_server_name(name), "tlsServerName", Reason::Invalid, message)
}
