//! The API server's clock, as its answers tell it: deadlines are judged by the clock that stamped the request.

use http::Response;
use http::header::DATE;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use kube::client::ClientBuilder;
use kube::client::DynBody;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tower::BoxError;
use tower::util::MapFutureLayer;

/// What kube's own stack answers with, before it is read.
type Answer = Pin<Box<dyn Future<Output = Result<Response<Box<DynBody>>, BoxError>> + Send>>;

/// How exact the `Date` of an answer is: it is cut to whole seconds.
const PRECISION: SignedDuration = SignedDuration::from_secs(1);

/// A clock that never jumps with the local one: it counts from the start of the process, and is corrected only where
/// an answer proves it wrong.
#[derive(Clone)]
pub(crate) struct Clock {
    started: Instant,
    /// The API server's time at `started`.
    origin: Arc<Mutex<Timestamp>>,
}

impl Clock {
    /// Starts from the local time, until the first answer.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), origin: Arc::new(Mutex::new(Timestamp::now())) }
    }

    /// The API server's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    fn at(&self, instant: Instant) -> Timestamp {
        let origin = *self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        origin.saturating_add(self.since_start(instant)).unwrap_or(origin)
    }

    fn since_start(&self, instant: Instant) -> SignedDuration {
        SignedDuration::try_from(instant.saturating_duration_since(self.started)).unwrap_or_default()
    }

    /// Takes in the `Date` of an answer to a request that was sent and answered at these instants. It was written in
    /// between, and less than [`PRECISION`] after what it says.
    fn hear(&self, date: Timestamp, sent: Instant, answered: Instant) {
        let earliest = date.checked_sub(self.since_start(answered));
        let latest = date.checked_add(PRECISION).and_then(|date| date.checked_sub(self.since_start(sent)));
        if let (Ok(earliest), Ok(latest)) = (earliest, latest) {
            let mut origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
            *origin = (*origin).clamp(earliest, latest.max(earliest));
        }
    }
}

/// A client whose answers set `clock`.
///
/// # Errors
/// When nothing says where the API server is, or its certificate cannot be read.
pub(crate) async fn client(clock: &Clock) -> anyhow::Result<kube::Client> {
    let clock = clock.clone();
    let layer = MapFutureLayer::new(move |answer: Answer| {
        let (clock, sent) = (clock.clone(), Instant::now());
        async move {
            let answer = answer.await?;
            let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
            if let Some(Ok(date)) = date.map(|date| DateTimeParser::new().parse_timestamp(date)) {
                clock.hear(date, sent, Instant::now());
            }
            Ok::<_, BoxError>(answer)
        }
    });
    Ok(ClientBuilder::try_from(kube::Config::infer().await?)?.with_layer(&layer).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn date(text: &str) -> Timestamp {
        DateTimeParser::new().parse_timestamp(text).unwrap()
    }

    #[test]
    fn an_answer_moves_the_clock_only_as_far_as_it_proves_it_wrong() {
        let clock = Clock::new();
        let sent = clock.started;
        let answered = sent + Duration::from_millis(200);
        let noon = date("Fri, 20 Mar 2026 12:00:00 GMT");
        clock.hear(noon, sent, answered);
        let first = clock.at(answered);
        assert!(first >= noon && first <= noon + PRECISION + SignedDuration::from_millis(200), "{first}");

        // The same second, told once more a little later, proves nothing.
        clock.hear(noon, answered, answered);
        assert_eq!(clock.at(answered), first.min(noon + PRECISION));

        // A whole minute later does.
        let later = date("Fri, 20 Mar 2026 12:01:00 GMT");
        clock.hear(later, answered, answered);
        assert_eq!(clock.at(answered), later);
    }
}
