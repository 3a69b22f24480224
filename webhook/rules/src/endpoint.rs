//! Laws of addresses that credentials are sent to: the endpoint of a store, and those of the servers.

use crate::address::{self, Door};
use crate::look::Address;
use crate::verdict::{Found, Reason, found, found_if};

/// The address where it is one; what is none is told by [`form`] alone.
fn parsed<'a>(address: &Address<'a>) -> Option<&'a address::Address> {
    address.given.parsed.as_ref().ok()
}

pub(crate) fn form(address: &Address<'_>) -> Vec<Found> {
    // An endpoint that is empty is told as an empty string.
    if address.given.is_blank && address.given.door == Door::Storage {
        return Vec::new();
    }
    let error = address.given.parsed.as_ref().err();
    error.map(|error| found("", Reason::Invalid, error.to_string())).into_iter().collect()
}

pub(crate) fn plaintext(address: &Address<'_>) -> Vec<Found> {
    let exposed = parsed(address).is_some_and(|it| it.is_plaintext() && !it.is_service());
    let message = "is http to a host outside the cluster, where credentials could be read on the way: use https, or the \
                   name of a Service (http://<service>.<namespace>.svc)";
    found_if(exposed, "", Reason::Forbidden, message)
}

pub(crate) fn service(address: &Address<'_>) -> Vec<Found> {
    let plain = parsed(address).is_some_and(|it| it.is_plaintext() && it.is_service());
    let message = "is not encrypted: pods and nodes on the way can read credentials and snapshots";
    found_if(plain, "", Reason::Risky, message)
}

pub(crate) fn class(address: &Address<'_>) -> Vec<Found> {
    let parsed = parsed(address);
    let denied = parsed.and_then(|it| address.networks.judge_unresolved(it, address.given.door).err());
    denied.map(|denied| found("", Reason::Forbidden, denied.to_string())).into_iter().collect()
}
