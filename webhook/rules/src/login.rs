//! Who logs in to OpenBao, and in which image.

use crate::look::{Initialisation, Login};
use crate::text::{is_blank, shown};
use crate::verdict::{Found, Reason, found, found_if};

/// Longest tag of an image.
const TAG_CHARACTERS: usize = 128;

/// A role or a token; for backups, the role that initialisation made will do.
pub(crate) fn authentication(login: &Login<'_>) -> Vec<Found> {
    let ways = match login.initialisation {
        Initialisation::MadeRole => return Vec::new(),
        Initialisation::NeverDoes => "or tokenSecretRef to a Secret with a token",
        Initialisation::MadeNone => {
            "tokenSecretRef to a Secret with a token, or spec.selfInit.oidc.enabled where initialisation made the roles"
        }
    };
    let message = format_args!(
        "authentication is required: set jwtAuthRole to a role of OpenBao's JWT auth method, {ways}"
    );
    found_if(!has_role(login) && !login.has_token, "jwtAuthRole", Reason::Required, message)
}

fn has_role(login: &Login<'_>) -> bool {
    login.role.is_some_and(|role| !is_blank(role))
}

/// A token that nobody uses.
pub(crate) fn both(login: &Login<'_>) -> Vec<Found> {
    let message = "not used, since jwtAuthRole is set too: leave one of them out";
    found_if(has_role(login) && login.has_token, "tokenSecretRef", Reason::Risky, message)
}

/// The mount becomes a part of a URL.
pub(crate) fn mount(login: &Login<'_>) -> Vec<Found> {
    let Some(mount) = login.mount.filter(|mount| !is_blank(mount)) else { return Vec::new() };
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let segment = |it: &str| !it.is_empty() && it != "." && it != ".." && it.chars().all(inner);
    let message = format_args!(
        "{} is not the path of an auth mount: give it as bao auth list shows it, without slashes at its ends",
        shown(mount, 63)
    );
    found_if(!mount.split('/').all(segment), "jwtAuthMount", Reason::Invalid, message)
}

/// An image that no node could pull would leave a pod waiting.
pub(crate) fn image(login: &Login<'_>) -> Vec<Found> {
    [("executorImage", login.executor_image), ("image", login.image)]
        .into_iter()
        .filter_map(|(field, image)| {
            Some((field, image.filter(|image| !is_blank(image) && !is_image(image))?))
        })
        .map(|(field, image)| {
            let shown = shown(image, 63);
            let message = format!(
                "{shown} is not an image: give registry/repository:tag or registry/repository@sha256:digest"
            );
            found(field, Reason::Invalid, message)
        })
        .collect()
}

/// `[host[:port]/]path[:tag][@digest]`, as container runtimes parse it.
fn is_image(text: &str) -> bool {
    let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
    let tag_at = named.rfind(':').filter(|at| !named[*at..].contains('/'));
    let (name, tag) = tag_at.map_or((named, None), |at| (&named[..at], Some(&named[at + 1..])));
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host == "localhost" || host.contains(['.', ':']) => (Some(host), path),
        _ => (None, name),
    };
    host.is_none_or(is_host)
        && path.split('/').all(is_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

fn is_host(text: &str) -> bool {
    let (name, port) = text.rsplit_once(':').unwrap_or((text, "0"));
    let inner = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    !name.is_empty()
        && name.chars().all(inner)
        && !port.is_empty()
        && port.chars().all(|c| c.is_ascii_digit())
}

fn is_component(text: &str) -> bool {
    let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(outer) && text.ends_with(outer) && text.chars().all(|c| outer(c) || "-._".contains(c))
}

fn is_tag(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(first)
        && text.len() <= TAG_CHARACTERS
        && text.chars().all(|c| first(c) || c == '.' || c == '-')
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.chars().all(|c| c.is_ascii_alphanumeric())
            && hex.len() >= 32
            && hex.chars().all(|c| c.is_ascii_hexdigit())
    })
}

/// `image` and `executorImage` are one field.
pub(crate) fn one_image(login: &Login<'_>) -> Vec<Found> {
    let differ = login.executor_image.zip(login.image).is_some_and(|(one, other)| one != other);
    let message =
        "differs from executorImage, and both are the image of the executor: set one of the two only";
    found_if(differ, "image", Reason::Invalid, message)
}
