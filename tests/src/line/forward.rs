//! One request of the client, to the API server and back.

use super::{Shared, Side, view};
use anyhow::{Context, anyhow};
use futures::TryStreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, DATE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use jiff::SignedDuration;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use reqwest::Url;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// What belongs to one connection, not to the request or its answer.
const OF_CONNECTION: [HeaderName; 4] = [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH];

/// Watches are answered as long as they like, so bodies are handed on as they come.
type Body = BoxBody<Bytes, reqwest::Error>;

#[derive(Clone)]
pub(super) struct Forward {
    http: reqwest::Client,
    server: Url,
    pub(super) shared: Arc<Shared>,
}

impl Forward {
    pub(super) fn new(server: &Url, authority: &Path, shared: Arc<Shared>) -> anyhow::Result<Self> {
        let authority = reqwest::Certificate::from_pem(&std::fs::read(authority)?)?;
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build()?;
        Ok(Self { http, server: server.clone(), shared })
    }

    /// An error ends the connection without an answer.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
        let caller = request.headers().get(AUTHORIZATION).cloned();
        if self.shared.is_cut_off(caller.as_ref()) {
            return Err(self.cut().await);
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let side = self.shared.note(&head.method, head.uri.path(), &body);
        if side == Some(Side::Before) {
            self.shared.cut_off(caller);
            return Err(self.cut().await);
        }
        let answer = self.ask(head, body).await?;
        if side == Some(Side::After) {
            self.shared.cut_off(caller);
            return Err(self.cut().await);
        }
        Ok(answer)
    }

    /// What its client hears from then on.
    async fn cut(&self) -> anyhow::Error {
        if self.shared.options.is_silent {
            std::future::pending::<()>().await;
        }
        anyhow!("the line is cut")
    }

    async fn ask(&self, head: Parts, mut body: Bytes) -> anyhow::Result<Response<Body>> {
        let path = view::scoped(head.uri.path(), &self.shared.namespace);
        let query = head.uri.query().map_or_else(String::new, |query| format!("?{query}"));
        if let Some(pods) = self.shared.options.pods.filter(|_| makes_a_job(&head.method, &path)) {
            body = with_api_server(&body, pods).context("a Job that cannot be read")?;
        }
        let url = self.server.join(&format!("{path}{query}"))?;
        let answer =
            self.http.request(head.method, url).headers(of_message(head.headers)).body(body).send().await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = of_message(answer.headers().clone());
            redate(headers, self.shared.clock());
        }
        let frames = StreamBody::new(answer.bytes_stream().map_ok(Frame::data));
        Ok(response.body(BodyExt::boxed(frames))?)
    }
}

/// Without what belongs to one connection.
pub(crate) fn of_message(mut headers: HeaderMap) -> HeaderMap {
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    headers
}

fn makes_a_job(method: &Method, path: &str) -> bool {
    method == Method::POST && path.ends_with("/jobs")
}

/// The Job whose pod asks there instead.
fn with_api_server(job: &[u8], pods: SocketAddr) -> anyhow::Result<Bytes> {
    let mut job: Value = serde_json::from_slice(job)?;
    let env = job.pointer_mut("/spec/template/spec/containers/0/env").and_then(Value::as_array_mut);
    env.context("no env")?.extend([
        json!({"name": "KUBERNETES_SERVICE_HOST", "value": pods.ip().to_string()}),
        json!({"name": "KUBERNETES_SERVICE_PORT", "value": pods.port().to_string()}),
    ]);
    Ok(serde_json::to_vec(&job)?.into())
}

/// As if the clock of the API server were so much ahead.
fn redate(headers: &mut HeaderMap, ahead: SignedDuration) {
    let Some(date) = headers.get(DATE).and_then(|date| date.to_str().ok()) else { return };
    let Ok(date) = DateTimeParser::new().parse_timestamp(date) else { return };
    let text =
        DateTimePrinter::new().timestamp_to_rfc9110_string(&date.saturating_add(ahead).unwrap_or(date));
    if let Some(value) = text.ok().and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(DATE, value);
    }
}
