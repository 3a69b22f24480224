//! Clusters and Secrets that are named: of the same namespace, with a valid name, and none that holds OpenBao's own keys.

use crate::subject::Subject;
use crate::text::{is_blank, is_subdomain, shown};
use crate::verdict::{CauseReason, Finding, refuse};

/// Ends of the names of Secrets that belong to an OpenBao cluster itself.
const SYSTEM_SECRETS: [&str; 4] = ["-unseal-key", "-root-token", "-tls-ca", "-tls-server"];

/// A Secret that is named.
struct Reference<'a> {
    path: String,
    name: &'a str,
    namespace: Option<&'a str>,
    key: Option<&'a str>,
    /// Whether a credential is read from it, so that it must be none of [`SYSTEM_SECRETS`].
    credential: bool,
}

pub(crate) fn judge(subject: &Subject<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = cluster(subject).into_iter().collect();
    for reference in references(subject) {
        found.extend(name(&reference));
        found.extend(namespace(&reference, subject.namespace));
        found.extend(key(&reference));
    }
    found
}

fn references<'a>(subject: &'a Subject<'_>) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    if let Some(access) = subject.access() {
        found.extend(access.target.credentials_secret_ref.as_ref().map(|secret| Reference {
            path: format!("{}.credentialsSecretRef", access.target_path),
            name: &secret.name,
            namespace: secret.namespace.as_deref(),
            key: secret.key.as_deref(),
            credential: true,
        }));
        found.extend(access.token.map(|secret| Reference {
            path: format!("{}.tokenSecretRef", access.path),
            name: &secret.name,
            namespace: secret.namespace.as_deref(),
            key: Some(&secret.key),
            credential: true,
        }));
    }
    let authority = subject.connection.as_ref().and_then(|connection| connection.ca_secret_ref.as_ref());
    found.extend(authority.map(|secret| Reference {
        path: "spec.connection.caSecretRef".to_owned(),
        name: &secret.name,
        namespace: secret.namespace.as_deref(),
        key: secret.key.as_deref(),
        credential: false,
    }));
    found
}

fn cluster(subject: &Subject<'_>) -> Option<Finding> {
    let name = &subject.restore.as_ref()?.cluster;
    // An empty one is told by the rule of required fields.
    (!is_blank(name) && !is_subdomain(name)).then(|| {
        let message = format!(
            "{} is not the name of an object: name an OpenBaoCluster of this namespace, in lower case letters, \
             digits, dashes and dots",
            shown(name)
        );
        refuse("spec.cluster", CauseReason::Invalid, message)
    })
}

fn name(reference: &Reference<'_>) -> Option<Finding> {
    let field = format!("{}.name", reference.path);
    if is_blank(reference.name) {
        let message = "is required: name a Secret of this namespace, or leave the whole reference out";
        return Some(refuse(field, CauseReason::Required, message));
    }
    let shown = shown(reference.name);
    if !is_subdomain(reference.name) {
        let message = format!(
            "{shown} is not the name of an object: name a Secret of this namespace, in lower case letters, digits, \
             dashes and dots"
        );
        return Some(refuse(field, CauseReason::Invalid, message));
    }
    let system = SYSTEM_SECRETS.iter().any(|end| reference.name.ends_with(end));
    (reference.credential && system).then(|| {
        let message = format!(
            "{shown} is a system Secret of an OpenBao cluster and is never handed to a Job: make a Secret that holds \
             this credential only, and name that"
        );
        refuse(field, CauseReason::Forbidden, message)
    })
}

fn namespace(reference: &Reference<'_>, own: &str) -> Option<Finding> {
    let other = reference.namespace.filter(|namespace| !is_blank(namespace) && *namespace != own)?;
    let message = format!(
        "a Secret of another namespace ({}) is never read: copy it to {} and leave the namespace out",
        shown(other),
        shown(own)
    );
    Some(refuse(format!("{}.namespace", reference.path), CauseReason::Forbidden, message))
}

fn key(reference: &Reference<'_>) -> Option<Finding> {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let bad = reference.key.filter(|key| key.is_empty() || !key.chars().all(inner))?;
    let message = format!(
        "{} is not a key of a Secret: use letters, digits, dashes, dots and underscores, or leave it out",
        if bad.is_empty() { "an empty string".to_owned() } else { shown(bad) }
    );
    Some(refuse(format!("{}.key", reference.path), CauseReason::Invalid, message))
}
