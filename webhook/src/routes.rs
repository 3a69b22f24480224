//! The two routes of the admission server.

mod body;

use crate::metrics::{Metrics, Outcome};
use crate::review::{self, Answer, Door, Malformed, Settings};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use body::{Budget, Whole};
use rules::Kind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What every review needs.
#[derive(Clone, Debug)]
struct Desk {
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    budget: Budget,
}

/// `/mutate` and `/validate`.
pub(crate) fn routes(settings: Settings, metrics: Arc<Metrics>) -> Router {
    let desk = Desk { settings: Arc::new(settings), metrics, budget: Budget::new() };
    Router::new()
        .route("/mutate", post(async |State(desk), request| handle(desk, Door::Mutate, request).await))
        .route("/validate", post(async |State(desk), request| handle(desk, Door::Validate, request).await))
        .with_state(desk)
}

async fn handle(desk: Desk, door: Door, request: Request) -> Response {
    let whole = match desk.budget.read(request.into_body()).await {
        Ok(whole) => whole,
        Err(unread) => {
            desk.metrics.count_failure(door, Outcome::Malformed);
            return (unread.code(), unread.to_string()).into_response();
        }
    };
    // No more reviews are judged at once than there are threads: nothing is waited for in between.
    let judged = isolated(|| review::answer(door, &whole.bytes, &desk.settings));
    respond(&desk.metrics, door, &whole, judged)
}

/// A panic ends this work and nothing else. It leaves nothing half done: the work only reads what others see.
fn isolated<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn respond(
    metrics: &Metrics,
    door: Door,
    asked: &Whole,
    judged: Option<Result<Answer, Malformed>>,
) -> Response {
    let (outcome, code, message) = match judged {
        Some(Ok(answer)) => {
            metrics.count(door, &answer);
            log(door, &answer);
            return Json(answer.review).into_response();
        }
        Some(Err(malformed)) => {
            tracing::warn!(?door, %malformed, "a review was malformed and is refused");
            (Outcome::Malformed, StatusCode::BAD_REQUEST, malformed.to_string())
        }
        None => {
            tracing::error!(?door, "judging failed, the request is refused");
            let message = "the webhook failed and refuses; see its log, then try again".to_owned();
            (Outcome::Broken, StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    };
    metrics.count_failure(door, outcome);
    match review::refusal(&asked.bytes, code.as_u16(), &message) {
        Some(review) => Json(review).into_response(),
        None => (code, message).into_response(),
    }
}

/// Names of rules only: an object's content is never logged.
fn log(door: Door, answer: &Answer) {
    if answer.verdict.is_refused() {
        let rules: Vec<&str> = answer.verdict.violations.iter().map(|violation| violation.rule).collect();
        let uid = answer.review.response.as_ref().map(|response| response.uid.as_str());
        let kind = answer.kind.map(Kind::name);
        tracing::info!(?door, uid, kind, rules = rules.join(" "), "refused");
    }
}

#[cfg(test)]
mod tests;
