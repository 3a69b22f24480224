//! Clusters and Secrets that are named: of the same namespace, with a valid name, and none that holds OpenBao's own keys.

use crate::look::{Request, Secret};
use crate::text::{is_blank, is_subdomain, shown};
use crate::verdict::{Found, Reason, found, found_if};

/// Ends of the names of Secrets that belong to an OpenBao cluster itself.
const SYSTEM_SECRETS: [&str; 4] = ["-unseal-key", "-root-token", "-tls-ca", "-tls-server"];

pub(crate) fn cluster(request: &Request<'_>) -> Vec<Found> {
    name("cluster", &request.spec.cluster, "the OpenBaoCluster of this namespace that is to be overwritten")
}

pub(crate) fn secret(secret: &Secret<'_>) -> Vec<Found> {
    name("name", secret.name, "a Secret of this namespace, or leave the whole reference out")
}

fn name(field: &str, name: &str, what: &str) -> Vec<Found> {
    if is_blank(name) {
        return vec![found(field, Reason::Required, format!("is required: name {what}"))];
    }
    let message = format_args!(
        "{} is not the name of an object (lower case letters, digits, dashes and dots): name {what}",
        shown(name, 63)
    );
    found_if(!is_subdomain(name), field, Reason::Invalid, message)
}

pub(crate) fn namespace(secret: &Secret<'_>) -> Vec<Found> {
    let own = secret.own_namespace;
    let other = secret.namespace.filter(|namespace| !is_blank(namespace) && *namespace != own);
    let message = format_args!(
        "a Secret of another namespace ({}) is never read: copy it to {} and leave the namespace out",
        shown(other.unwrap_or_default(), 63),
        shown(own, 63)
    );
    found_if(other.is_some(), "namespace", Reason::Forbidden, message)
}

pub(crate) fn key(secret: &Secret<'_>) -> Vec<Found> {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_key = |key: &str| !matches!(key, "" | "." | "..") && key.len() <= 253 && key.chars().all(inner);
    let Some(bad) = secret.key.filter(|key| !is_key(key)) else { return Vec::new() };
    let bad = if is_blank(bad) { "an empty string".to_owned() } else { shown(bad, 63).to_string() };
    let message = format!(
        "{bad} is not a key of a Secret: use letters, digits, dashes, dots and underscores, or leave it out"
    );
    vec![found("key", Reason::Invalid, message)]
}

pub(crate) fn system(secret: &Secret<'_>) -> Vec<Found> {
    let system = SYSTEM_SECRETS.iter().any(|end| secret.name.ends_with(end));
    let message = format_args!(
        "{} is a system Secret of an OpenBao cluster and is never handed to a Job: make a Secret that holds this \
         credential only, and name that",
        shown(secret.name, 63)
    );
    found_if(secret.is_credential && system, "name", Reason::Forbidden, message)
}
