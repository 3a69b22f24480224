//! The cases of admission at the third door: the real API server, by dry run, says what the rules say.

use crate::support::{alone, cluster};
use crate::unguarded::Unguarded;
use http::header::{CONTENT_TYPE, WARNING};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use rules::{Finding, Kind};
use serde_json::Value;
use std::time::{Duration, Instant};
use tests::corpus::{Case, NAMESPACE, cases};

/// Rules that the API server keeps by itself, before it asks any webhook.
const OF_THE_SCHEMA: [&str; 2] = ["shape", "unknown-field"];

/// The operator may write a request between our reading and our writing it.
const PATIENCE: Duration = Duration::from_secs(30);

struct Answer {
    code: u16,
    body: Value,
    warnings: Vec<String>,
}

fn path(kind: Kind, name: &str) -> String {
    let plural = match kind {
        Kind::Restore => "openbaorestores",
        Kind::Cluster => "openbaoclusters",
    };
    format!("/apis/openbao.org/v1alpha1/namespaces/{NAMESPACE}/{plural}{name}")
}

async fn ask(client: &kube::Client, method: Method, path: &str, object: Option<&Value>) -> Answer {
    let body = object.map(Value::to_string).unwrap_or_default();
    let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
    let response = client.send(request.body(Body::from(body.into_bytes())).unwrap()).await.unwrap();
    let warnings = response.headers().get_all(WARNING).iter();
    let warnings = warnings.map(|value| unquoted(value.to_str().unwrap())).collect();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer { code, body: serde_json::from_slice(&bytes).unwrap(), warnings }
}

/// The text of `299 - "text"`.
fn unquoted(header: &str) -> String {
    let (_, text) = header.split_once('"').unwrap();
    text.trim_end_matches('"').replace("\\\"", "\"").replace("\\\\", "\\")
}

/// Asks for the case by dry run, as strictly as kubectl, Flux and Argo CD do.
async fn answer(client: &kube::Client, case: &Case) -> Answer {
    let query = "?dryRun=All&fieldValidation=Strict";
    if case.old.is_none() {
        let path = format!("{}{query}", path(case.kind, ""));
        return ask(client, Method::POST, &path, Some(&case.new)).await;
    }
    let path = path(case.kind, &format!("/{}", case.object));
    let begin = Instant::now();
    loop {
        let mut object = ask(client, Method::GET, &path, None).await.body;
        object["spec"] = case.new["spec"].clone();
        let answer = ask(client, Method::PUT, &format!("{path}{query}"), Some(&object)).await;
        if answer.code != 409 {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "{}: {}", case.title, answer.body);
    }
}

fn check(case: &Case, answer: &Answer) {
    let title = &case.title;
    let message = answer.body["message"].as_str().unwrap_or_default();
    assert_eq!(answer.code >= 400, case.refused, "{title}: {} {message}", answer.code);
    let of_schema: Vec<_> =
        case.findings.iter().filter(|(rule, _)| OF_THE_SCHEMA.contains(&rule.as_str())).collect();
    if !of_schema.is_empty() {
        for (_, field) in of_schema {
            assert!(message.contains(field.as_str()), "{title}: {message}");
        }
        return;
    }
    let verdict = case.judged();
    let text = |found: &[Finding]| {
        let mut texts: Vec<String> = found.iter().map(Finding::to_string).collect();
        texts.sort();
        texts
    };
    let mut warnings = answer.warnings.clone();
    warnings.sort();
    assert_eq!(warnings, text(&verdict.warnings), "{title}");
    let causes = answer.body["details"]["causes"].as_array().cloned().unwrap_or_default();
    let part = |cause: &Value, name: &str| cause[name].as_str().unwrap().to_owned();
    let mut causes: Vec<String> =
        causes.iter().map(|cause| format!("{}: {}", part(cause, "field"), part(cause, "message"))).collect();
    causes.sort();
    assert_eq!(causes, text(&verdict.violations), "{title}: {message}");
    if case.refused {
        let expected = if case.old.is_none() { 422 } else { 403 };
        assert_eq!(answer.code, expected, "{title}: {message}");
        assert!(message.contains(&verdict.message()), "{title}: {message}");
        assert!(!answer.body.to_string().to_lowercase().contains("immutable"), "{title}: {message}");
    }
}

#[tokio::test]
async fn the_api_server_says_what_each_case_says() {
    let _guard = alone().await;
    let client = cluster().client().await;
    // Documents of users name it too.
    let _ = cluster().kubectl(&["create", "namespace", NAMESPACE], None);
    let cases = cases();
    let unguarded = Unguarded::start().await;
    for case in &cases {
        if let Some(old) = &case.old {
            let made = ask(&client, Method::POST, &path(case.kind, ""), Some(&with_defaults(old))).await;
            assert_eq!(made.code, 201, "{}: {}", case.title, made.body);
        }
    }
    unguarded.back().await;
    for case in &cases {
        check(case, &answer(&client, case).await);
    }
    println!("{} cases", cases.len());
}

/// An old restore as admission would have stored it: nobody is there to fill it in.
fn with_defaults(old: &Value) -> Value {
    let mut old = old.clone();
    if old["kind"] == Kind::Restore.name() {
        let spec = old["spec"].as_object_mut().unwrap();
        spec.entry("audience").or_insert_with(|| "openbao-internal".into());
        spec.entry("executorImage").or_insert_with(|| "openbao-recovery:local".into());
    }
    old
}
