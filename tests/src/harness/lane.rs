//! Tests that give a cluster much work run three at once in a process, however many threads there are.

use tokio::sync::{Semaphore, SemaphorePermit};

static LANES: Semaphore = Semaphore::const_new(3);

/// A test with deadlines for several operators or servers of its own begins when it has got one.
///
/// # Panics
/// Never: nobody closes them.
pub async fn lane() -> SemaphorePermit<'static> {
    LANES.acquire().await.unwrap_or_else(|error| panic!("{error}"))
}
