//! Bodies, as many bytes of them at once as there is memory for.

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// 7 MiB: a review carries the object twice, and the API server takes 3 MiB of one.
const BODY_BYTES: usize = 7 * 1024 * 1024;

/// Longest wait for a body: as long as the API server waits for the answer.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// A body up to here waits for nobody: a review has 3 KB, and must not stand behind those who send large ones slowly.
const SMALL: usize = 32 * 1024;

/// Of all larger bodies together.
const LARGE_AT_ONCE: usize = 14 * 1024 * 1024;

/// Memory for bodies, and the time that each has.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    memory: Arc<Semaphore>,
    deadline: Duration,
}

/// A whole body, and the memory that is counted for it.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Why there is no whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    #[error("the review has more than {BODY_BYTES} bytes")]
    TooLarge,
    #[error("the review did not arrive in time")]
    TooSlow,
    #[error("the review was cut off")]
    Cut,
}

impl Unread {
    pub(super) const fn code(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Cut => StatusCode::BAD_REQUEST,
        }
    }
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { memory: Arc::new(Semaphore::new(LARGE_AT_ONCE)), deadline: BODY_DEADLINE }
    }

    /// Reads a body to its end.
    pub(super) async fn read(&self, body: Body) -> Result<Whole, Unread> {
        timeout(self.deadline, self.read_all(body)).await.unwrap_or(Err(Unread::TooSlow))
    }

    async fn read_all(&self, mut body: Body) -> Result<Whole, Unread> {
        // Without a length it may be the longest.
        let length = body.size_hint().upper().unwrap_or(BODY_BYTES as u64);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > BODY_BYTES {
            return Err(Unread::TooLarge);
        }
        let memory = self.memory(length).await;
        let mut bytes = Vec::with_capacity(length);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Unread::Cut)?.into_data() else { continue };
            if bytes.len() + data.len() > BODY_BYTES {
                return Err(Unread::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Whole { bytes, _memory: memory })
    }

    /// Taken before the first byte, since those who hold a part each would wait for each other.
    async fn memory(&self, length: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(length).ok().filter(|_| length > SMALL)?;
        // Never closed, so that there always is a permit.
        Arc::clone(&self.memory).acquire_many_owned(permits).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::future::join_all;
    use std::future::pending;
    use std::pin::pin;

    fn stream(bytes: usize) -> Body {
        let chunks = (0..bytes.div_ceil(1024)).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024]));
        Body::from_stream(futures::stream::iter(chunks))
    }

    /// Says that it has so many bytes, and sends none.
    fn never(bytes: usize) -> Body {
        let silent = futures::stream::once(pending::<std::io::Result<Vec<u8>>>());
        Body::new(Sized { body: Body::from_stream(silent), bytes })
    }

    /// A body of a known length.
    struct Sized {
        body: Body,
        bytes: usize,
    }

    impl HttpBody for Sized {
        type Data = axum::body::Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, axum::Error>>> {
            std::pin::Pin::new(&mut self.body).poll_frame(context)
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            hyper::body::SizeHint::with_exact(self.bytes as u64)
        }
    }

    #[tokio::test]
    async fn a_body_is_whole_or_refused_for_its_length() {
        let budget = Budget::new();
        let read = async |body| budget.read(body).await.map(|whole| whole.bytes.len());
        assert_eq!(read(Body::from("{}")).await, Ok(2));
        assert_eq!(read(Body::from(vec![0; BODY_BYTES])).await, Ok(BODY_BYTES));
        assert_eq!(read(Body::from(vec![0; BODY_BYTES + 1])).await, Err(Unread::TooLarge));
        assert_eq!(read(stream(BODY_BYTES)).await, Ok(BODY_BYTES));
        assert_eq!(read(stream(BODY_BYTES + 1)).await, Err(Unread::TooLarge));
        let cut = [Ok("{"), Err(std::io::Error::other("gone"))];
        assert_eq!(read(Body::from_stream(futures::stream::iter(cut))).await, Err(Unread::Cut));
    }

    #[tokio::test]
    async fn large_bodies_that_do_not_come_hold_up_large_ones_only_and_not_for_long() {
        let budget = Budget { deadline: Duration::from_millis(300), ..Budget::new() };
        let read = async |body| budget.read(body).await.map(|whole| whole.bytes.len());
        let mut hogs = pin!(join_all((0..2).map(|_| read(never(BODY_BYTES)))));
        assert!(hogs.as_mut().now_or_never().is_none());
        assert_eq!(budget.memory.available_permits(), 0);
        assert_eq!(read(Body::from(vec![0; SMALL])).now_or_never(), Some(Ok(SMALL)));
        let mut large = pin!(read(Body::from(vec![0; SMALL + 1])));
        assert!(large.as_mut().now_or_never().is_none());
        assert_eq!(hogs.await, [Err(Unread::TooSlow); 2]);
        assert!([Ok(SMALL + 1), Err(Unread::TooSlow)].contains(&large.await));
        assert_eq!(read(Body::from(vec![0; SMALL + 1])).await, Ok(SMALL + 1));
    }
}
