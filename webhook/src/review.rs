//! An `AdmissionReview` in, its answer out. Reads and writes nothing.

mod request;
mod uid;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use kube::core::DynamicObject;
use kube::core::admission::{
    AdmissionResponse, AdmissionReview, META_API_VERSION_V1, Operation, SerializePatchError,
};
use kube::core::response::{Status, StatusCause, StatusDetails};
use request::Request;
use rules::address::Networks;
use rules::{Finding, Installation, Kind, Subject, Verdict, defaults, judge};
use serde_json::Value;

/// The route that a review came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Fills in defaults, refuses nothing.
    Mutate,
    /// Refuses, fills in nothing.
    Validate,
}

/// What answers depend on beside the review.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What is filled in.
    pub(crate) installation: Installation,
    /// What stores may be called.
    pub(crate) networks: Networks,
}

/// What goes back, and what it came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) review: AdmissionReview<DynamicObject>,
    pub(crate) kind: Option<Kind>,
    pub(crate) verdict: Verdict,
}

/// Why a review cannot be judged, so that what it asks for is refused. The texts hold nothing of the object.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the body is not an AdmissionReview: {category:?} error in line {line}, column {column}")]
    Unreadable { category: serde_json::error::Category, line: usize, column: usize },
    #[error("the review is of another version than {META_API_VERSION_V1}, or has no request")]
    NotARequest,
    #[error("the review says {0:?} and lacks the object or the old object that this means")]
    MissingObject(Operation),
    #[error("{field}: has {bytes} bytes, and nothing that belongs there is nearly as long: make it shorter")]
    TooLarge { field: &'static str, bytes: usize },
    #[error("the patch cannot be written: {0}")]
    Patch(#[from] SerializePatchError),
}

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable { category: error.classify(), line: error.line(), column: error.column() }
    }
}

/// Answers a review. Anything but the creation or update of one of our objects itself passes.
pub(crate) fn answer(door: Door, body: &[u8], settings: &Settings) -> Result<Answer, Malformed> {
    let request = Request::read(body)?;
    let kind = request.kind();
    let response = response(request.uid.clone(), true, Status::default());
    let Some(judged) = kind.filter(|_| request.is_written()) else {
        return Ok(Answer { review: response.into_review(), kind, verdict: Verdict::default() });
    };
    let (new, old) = request.objects(judged)?;
    let (response, verdict) = match door {
        Door::Mutate => {
            (fill(response, judged, &new, old.as_ref(), &settings.installation)?, Verdict::default())
        }
        Door::Validate => {
            let namespace = request.namespace.as_deref().unwrap_or_default();
            let verdict = judge(&Subject::new(judged, namespace, &new, old.as_ref(), &settings.networks));
            (tell(response, judged, &request, &verdict), verdict)
        }
    };
    Ok(Answer { review: response.into_review(), kind, verdict })
}

/// Refuses what a review asks for without judging it; without its uid there is no answer that an API server takes.
pub(crate) fn refusal(body: &[u8], code: u16, message: &str) -> Option<AdmissionReview<DynamicObject>> {
    let status = Status::failure(message, "BadRequest").with_code(code);
    Some(response(uid::find(body)?, false, status).into_review())
}

/// The type has no other way to be made without the request of its own crate.
fn response(uid: String, allowed: bool, result: Status) -> AdmissionResponse {
    let mut response = AdmissionResponse::invalid("");
    (response.uid, response.allowed, response.result) = (uid, allowed, result);
    response
}

fn fill(
    response: AdmissionResponse,
    kind: Kind,
    new: &Value,
    old: Option<&Value>,
    installation: &Installation,
) -> Result<AdmissionResponse, SerializePatchError> {
    let additions = defaults(kind, new, old, installation);
    if additions.is_empty() {
        return Ok(response);
    }
    let add = |addition: rules::Addition| {
        let path = PointerBuf::from_tokens(["spec", addition.field]);
        PatchOperation::Add(AddOperation { path, value: addition.value })
    };
    response.with_patch(Patch(additions.into_iter().map(add).collect()))
}

/// A refused update is Forbidden, never Invalid: tools take a 422 as leave to delete the object and create it again,
/// which would run a restore twice.
fn tell(
    mut response: AdmissionResponse,
    kind: Kind,
    request: &Request<'_>,
    verdict: &Verdict,
) -> AdmissionResponse {
    if !verdict.warnings.is_empty() {
        response.warnings = Some(verdict.warnings.iter().map(Finding::to_string).collect());
    }
    if !verdict.is_refused() {
        return response;
    }
    let (code, reason) = match request.operation {
        Operation::Create => (422, "Invalid"),
        _ => (403, "Forbidden"),
    };
    response.allowed = false;
    response.result =
        Status::failure(&verdict.message(), reason).with_code(code).with_details(StatusDetails {
            name: request.name.clone(),
            group: api::GROUP.to_owned(),
            kind: kind.name().to_owned(),
            uid: String::new(),
            causes: causes(verdict),
            retry_after_seconds: 0,
        });
    response
}

fn causes(verdict: &Verdict) -> Vec<StatusCause> {
    let cause = |violation: &Finding| StatusCause {
        reason: violation.reason.as_str().to_owned(),
        message: violation.message.clone(),
        field: violation.field.clone(),
    };
    verdict.violations.iter().map(cause).collect()
}

#[cfg(test)]
mod tests;
