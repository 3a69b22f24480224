//! Whether a server's listener waits for a whole snapshot. Its read timeout covers a request from the first byte to the
//! last, is 30 s unless it is set, and cannot be asked for without a right; but it can be seen.

use super::{Node, OpenBaoError, whole};
use crate::report::fault;
use futures::SinkExt;
use futures::channel::mpsc::{self, Sender};
use plan::proof::{SLOWEST, read_timeout};
use reqwest::{Body, Method};
use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The read timeout of a listener that sets none, in seconds.
const DEFAULT: u64 = 30;
/// Bytes sent to see how fast they go: half of what a listener takes for one request unless it is told otherwise.
const SAMPLE: usize = 16 << 20;
const CHUNK: usize = 256 << 10;
static SPACES: [u8; CHUNK] = [b' '; CHUNK];
/// Time between two bytes, so that nothing on the way takes the connection for a dead one.
const TRICKLE: Duration = Duration::from_secs(1);
/// What the server says when the time is over.
const TIMED_OUT: &str = "i/o timeout";

/// Whether the listener of `node` waits for as long as this pod needs to send `size` bytes at the least. It is refused
/// only for what was seen: the server cut another request of that length. Snapshots that the slowest pod sends within the
/// default are not looked at.
pub(crate) async fn outlasts(node: &Node, size: u64) -> Result<(), OpenBaoError> {
    if size <= SLOWEST * DEFAULT {
        return Ok(());
    }
    let begun = Instant::now();
    let sampled = OnceLock::new();
    let (spaces, body) = mpsc::channel(1);
    // A question that needs no token, and whose end never comes.
    let request = node.request(Method::POST, "sys/wrapping/lookup").body(Body::wrap_stream(body));
    let answered = async { whole(request.send().await?).await };
    let said = tokio::select! {
        answered = answered => answered.map_or_else(fault, |answer| answer.fault()),
        () = send(spaces, &sampled, size) => return Ok(()),
    };
    let after = begun.elapsed();
    if !said.contains(TIMED_OUT) {
        tracing::warn!(fault = said, ?after, "whether the listener waits for a whole snapshot is not known");
        return Ok(());
    }
    Err(too_short(node, size, after, needed(sampled.get().copied().unwrap_or(after), size)))
}

/// Sends the sample, and then a byte now and then for as long as the whole snapshot would take.
async fn send(
    mut spaces: Sender<Result<&'static [u8], Infallible>>,
    sampled: &OnceLock<Duration>,
    size: u64,
) {
    let begun = Instant::now();
    for _ in 0..SAMPLE / CHUNK {
        if spaces.send(Ok(&SPACES)).await.is_err() {
            // Nobody takes them: there is an answer.
            return std::future::pending().await;
        }
    }
    let whole = needed(*sampled.get_or_init(|| begun.elapsed()), size);
    while begun.elapsed() < whole {
        sleep(TRICKLE.min(whole)).await;
        if spaces.send(Ok(&SPACES[..1])).await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Time for `size` bytes when the sample took this long.
fn needed(sample: Duration, size: u64) -> Duration {
    let nanoseconds = sample.as_nanos().saturating_mul(u128::from(size)) / SAMPLE as u128;
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

fn too_short(node: &Node, size: u64, after: Duration, needed: Duration) -> OpenBaoError {
    OpenBaoError::ReadTimeout {
        address: node.address.clone(),
        seconds: after.as_secs(),
        needed: needed.as_secs(),
        setting: setting(size),
    }
}

/// What to write for `http_read_timeout`.
pub(crate) fn setting(size: u64) -> String {
    format!("{}m", read_timeout(size).as_mins())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Fault;
    use crate::testing::{answer_once, node};
    use api::conditions::Reason;

    const TIMEOUT: &str = r#"{"errors":["read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout"]}"#;

    /// Bug: a snapshot of many GB is checked, locked for, and cut in the middle, with a text that names no setting.
    #[tokio::test]
    async fn a_listener_that_cuts_too_early_is_told_with_its_setting() {
        let cut = answer_once(Duration::from_millis(300), 500, TIMEOUT).await;
        let error = outlasts(&node(&cut), 1 << 50).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ReadTimeout);
        let told = error.to_string();
        assert!(told.contains("http_read_timeout") && told.contains(&setting(1 << 50)), "{told}");
    }

    /// Bug: a listener that was not seen to cut anything is refused.
    #[tokio::test]
    async fn whatever_else_happens_is_no_obstacle() {
        let nobody = "http://127.0.0.1:1";
        outlasts(&node(nobody), SLOWEST * DEFAULT).await.unwrap();
        outlasts(&node(nobody), 1 << 50).await.unwrap();
        let other = answer_once(Duration::ZERO, 413, "too large").await;
        outlasts(&node(&other), 1 << 50).await.unwrap();
        let patient = answer_once(Duration::from_mins(1), 500, TIMEOUT).await;
        outlasts(&node(&patient), SLOWEST * DEFAULT + 1).await.unwrap();
    }

    #[test]
    fn the_time_needed_grows_with_the_size() {
        let sample = Duration::from_millis(160);
        assert_eq!(needed(sample, SAMPLE as u64), sample);
        assert_eq!(needed(sample, 100 * SAMPLE as u64), Duration::from_secs(16));
        assert_eq!(needed(Duration::MAX, u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
