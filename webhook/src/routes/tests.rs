use super::*;
use axum::body::{Body, to_bytes};
use serde_json::{Value, json};

/// What an API server reads: code, and the answer where there is one.
async fn answer(judged: Option<Result<Answer, Malformed>>, asked: &str) -> (StatusCode, Value) {
    let whole = Budget::new().read(Body::from(asked.to_owned())).await.unwrap();
    let response = respond(&Metrics::new(), Door::Validate, &whole, judged);
    let code = response.status();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (code, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_panic_is_a_refusal_and_the_next_review_is_judged() {
    let judged = isolated(|| panic!("a bug"));
    let (code, review) = answer(judged, r#"{"request":{"uid":"u-1"}}"#).await;
    assert_eq!(code, StatusCode::OK);
    let response = &review["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
    assert_eq!(response["status"]["code"], 500);
    assert_eq!(
        (&review["apiVersion"], &review["kind"]),
        (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
    );
    assert_eq!(isolated(|| 1), Some(1));
}

#[tokio::test]
async fn a_malformed_review_has_an_answer_by_its_uid_and_an_error_without() {
    let (code, review) = answer(Some(Err(Malformed::NotARequest)), r#"{"request":{"uid":"u-1"}}"#).await;
    assert_eq!((code, &review["response"]["status"]["code"]), (StatusCode::OK, &json!(400)));
    assert_eq!(review["response"]["allowed"], false);
    let (code, review) = answer(Some(Err(Malformed::NotARequest)), "{}").await;
    assert_eq!((code, review), (StatusCode::BAD_REQUEST, Value::Null));
}
