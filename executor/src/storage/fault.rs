//! What an error of the store means. S3 names the cause in an XML body.

use crate::dial::Diverted;
use crate::report::{cause, told};
use object_store::Error;

/// What is wrong, as far as the store or the way to it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreFault {
    /// The host is one that may not be called; nothing was sent.
    Diverted(String),
    NoBucket,
    /// Not one byte of the range is there.
    Empty,
    /// In another region, or behind another endpoint.
    Elsewhere(String),
    Denied(String),
    NotFound,
    /// What the request takes for granted is not so: another `ETag`, or an object that is there already.
    Condition,
    /// It does not know how to do that.
    Unable,
    /// Its certificate is not from a known authority.
    Untrusted(String),
    Other(String),
}

impl From<&Error> for StoreFault {
    fn from(error: &Error) -> Self {
        if let Some(diverted) = cause::<Diverted>(error) {
            return Self::Diverted(diverted.to_string());
        }
        let text = told(error);
        let code =
            text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
        match (error, code) {
            (_, Some("NoSuchBucket")) => Self::NoBucket,
            (_, Some("InvalidRange")) => Self::Empty,
            (_, Some("NotImplemented")) => Self::Unable,
            // Both come with 403, and the credentials are good.
            (_, Some("RequestTimeTooSkewed")) => {
                Self::Other("its clock and the node's differ by more than 15 min".to_owned())
            }
            (_, Some("QuotaExceeded")) => Self::Other("a quota is exceeded".to_owned()),
            (
                _,
                Some(code @ ("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed")),
            ) => Self::Elsewhere(code.to_owned()),
            (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, code) => {
                Self::Denied(code.unwrap_or("AccessDenied").to_owned())
            }
            (_, Some(code @ ("InvalidToken" | "ExpiredToken" | "AccessDenied"))) => {
                Self::Denied(code.to_owned())
            }
            (Error::NotFound { .. }, _) => Self::NotFound,
            (Error::Precondition { .. } | Error::AlreadyExists { .. }, _) => Self::Condition,
            _ if text.contains("invalid peer certificate") => Self::Untrusted(text),
            _ if text.contains("edirect") => Self::Elsewhere(text),
            _ => Self::Other(text),
        }
    }
}
