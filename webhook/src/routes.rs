//! The two routes of the admission server.

use crate::metrics::{Metrics, Outcome};
use crate::review::{self, Answer, Door, Malformed, Settings};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use rules::Kind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// 7 MiB: a review carries the object twice, and etcd holds 1.5 MiB of one, the API server takes 3 MiB.
const BODY_BYTES: usize = 7 * 1024 * 1024;

/// Longest wait for a body: as long as the API server waits for the answer.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Reviews read and judged at once: with [`BODY_BYTES`] this bounds memory.
const REVIEWS: usize = 16;

/// What every review needs.
#[derive(Clone, Debug)]
struct Desk {
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    seats: Arc<Semaphore>,
}

/// `/mutate` and `/validate`.
pub(crate) fn routes(settings: Settings, metrics: Arc<Metrics>) -> Router {
    let seats = Arc::new(Semaphore::new(REVIEWS));
    Router::new()
        .route("/mutate", post(async |State(desk), request| handle(desk, Door::Mutate, request).await))
        .route("/validate", post(async |State(desk), request| handle(desk, Door::Validate, request).await))
        .with_state(Desk { settings: Arc::new(settings), metrics, seats })
}

async fn handle(desk: Desk, door: Door, request: Request) -> Response {
    let body = async {
        let seat = desk.seats.acquire().await.ok()?;
        Some((seat, to_bytes(request.into_body(), BODY_BYTES).await))
    };
    let (_seat, body) = match tokio::time::timeout(BODY_DEADLINE, body).await {
        Ok(Some((seat, Ok(body)))) => (seat, body),
        Ok(Some((_, Err(_)))) => {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the review is too large or was cut");
        }
        Ok(None) | Err(_) => {
            return refusal(StatusCode::REQUEST_TIMEOUT, "the review did not arrive in time");
        }
    };
    let settings = Arc::clone(&desk.settings);
    let judged = isolated(move || review::answer(door, &body, &settings)).await;
    respond(&desk.metrics, door, judged)
}

/// Runs in a task of its own: a panic ends that task and nothing else.
async fn isolated<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::spawn(async move { work() }).await.ok()
}

fn respond(metrics: &Metrics, door: Door, judged: Option<Result<Answer, Malformed>>) -> Response {
    match judged {
        Some(Ok(answer)) => {
            metrics.count(door, &answer);
            log(door, &answer);
            Json(answer.review).into_response()
        }
        Some(Err(malformed)) => {
            metrics.count_failure(door, Outcome::Malformed);
            tracing::warn!(?door, %malformed, "a review was malformed and is refused");
            refusal(StatusCode::BAD_REQUEST, &malformed.to_string())
        }
        None => {
            metrics.count_failure(door, Outcome::Broken);
            tracing::error!(?door, "judging failed, the request is refused");
            refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the webhook failed and refuses; see its log, then try again",
            )
        }
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

fn refusal(code: StatusCode, message: &str) -> Response {
    (code, message.to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_review_is_judged() {
        let judged = isolated(|| panic!("a bug")).await;
        let response = respond(&Metrics::new(), Door::Validate, judged);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(isolated(|| 1).await, Some(1));
    }
}
