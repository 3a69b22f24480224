//! Who logs in to OpenBao, and in which image.

use crate::subject::Subject;
use crate::text::is_blank;
use crate::verdict::{CauseReason, Finding, refuse};

/// A role or a token; for backups, the role that initialisation made will do.
pub(crate) fn authentication(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(access) = subject.access() else { return Vec::new() };
    let role = access.role.is_some_and(|role| !is_blank(role));
    if role && access.token.is_some() {
        return vec![Finding::Warned(
            "jwtAuthRole and tokenSecretRef are both set: the JWT role is used, the token is not",
        )];
    }
    let given = role || access.token.is_some();
    let stands_in = subject.backup.is_some() && subject.has_operator_roles();
    if given || stands_in {
        return Vec::new();
    }
    let message = if subject.restore.is_some() {
        "authentication is required: set jwtAuthRole to a role of OpenBao's JWT auth method, or tokenSecretRef to a \
         Secret with a token"
    } else {
        "authentication is required: set jwtAuthRole to a role of OpenBao's JWT auth method, tokenSecretRef to a \
         Secret with a token, or spec.selfInit.oidc.enabled where initialisation made the roles"
    };
    vec![refuse(format!("{}.jwtAuthRole", access.path), CauseReason::Required, message)]
}

/// `image` and `executorImage` are one field.
pub(crate) fn images(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(access) = subject.access() else { return Vec::new() };
    let (Some(executor_image), Some(image)) = (access.executor_image, access.image) else {
        return Vec::new();
    };
    if executor_image == image {
        return Vec::new();
    }
    let message =
        "differs from executorImage, and both are the image of the executor: set one of the two only";
    vec![refuse(format!("{}.image", access.path), CauseReason::Invalid, message)]
}
