//! What a store does other than it should.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use s3s::service::S3Service;
use s3s::{Body, HttpError};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One thing that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Answers with this status and this code of S3, and does nothing.
    Says(u16, &'static str),
    /// Breaks the connection before it has done anything.
    Breaks,
    /// Does what it was asked, and breaks the connection instead of an answer.
    Forgets,
    /// Answers nothing.
    Hangs,
    /// Does it with other bytes than came.
    Bends,
}

/// Requests by their method and a part of their query or path, what is done to them, and how often.
type Planned = (Method, &'static str, Deed, usize);

/// What it will do.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Vec<Planned>>>);

impl Faults {
    /// Does this to the next `count` requests of that kind.
    pub(crate) fn add(&self, method: Method, part: &'static str, deed: Deed, count: usize) {
        self.0.lock().unwrap().push((method, part, deed, count));
    }

    /// Whether all of them have happened.
    pub(crate) fn are_over(&self) -> bool {
        self.0.lock().unwrap().iter().all(|(.., left)| *left == 0)
    }

    /// Waits until all of them have happened.
    pub(crate) async fn over(&self) {
        let happened = async {
            while !self.are_over() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), happened)
            .await
            .expect("what was planned did not happen");
    }

    fn next(&self, request: &Request<Incoming>) -> Option<Deed> {
        let mut all = self.0.lock().unwrap();
        let uri = request.uri().to_string();
        let mut meant = all
            .iter_mut()
            .filter(|(method, part, _, left)| *left > 0 && method == request.method() && uri.contains(part));
        let (_, _, deed, left) = meant.next()?;
        *left -= 1;
        Some(*deed)
    }

    pub(super) async fn meet(
        &self,
        request: Request<Incoming>,
        service: S3Service,
    ) -> Result<Response<Body>, HttpError> {
        let breaks = || Err(HttpError::new(Box::new(io::Error::other("the connection breaks"))));
        let deed = self.next(&request);
        let (head, body) = request.into_parts();
        if deed == Some(Deed::Hangs) {
            std::future::pending::<()>().await;
        }
        let Ok(body) = body.collect().await else { return breaks() };
        let mut bytes = body.to_bytes().to_vec();
        match deed {
            Some(Deed::Says(status, code)) => {
                let text = format!("<Error><Code>{code}</Code><Message>as the test says</Message></Error>");
                let mut response = Response::new(Body::from(text));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                return Ok(response);
            }
            Some(Deed::Breaks) => return breaks(),
            Some(Deed::Bends) => bytes[0] ^= 1,
            _ => {}
        }
        let answered = service.call(Request::from_parts(head, Body::from(bytes))).await;
        if deed == Some(Deed::Forgets) { breaks() } else { answered }
    }
}
