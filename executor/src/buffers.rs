//! So many buffers of one range or part each, used again and again: what a transfer takes is theirs, whatever the allocator
//! keeps, and whoever needs one more waits.

use bytes::Bytes;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Those that nobody uses just now.
pub(crate) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
    count: Semaphore,
}

impl Buffers {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::default(), count: Semaphore::new(count) })
    }

    /// One that is empty, once one is free.
    pub(crate) async fn take(&self) -> Vec<u8> {
        // It is never closed.
        if let Ok(permit) = self.count.acquire().await {
            permit.forget();
        }
        self.free.lock().ok().and_then(|mut free| free.pop()).unwrap_or_default()
    }

    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        if let Ok(mut free) = self.free.lock() {
            free.push(buffer);
        }
        self.count.add_permits(1);
    }

    /// Bytes that come back here once the last of their users has let go of them: a connection may be later than the
    /// answer.
    pub(crate) fn lend(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: Arc::clone(self) })
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    /// Bug: each part takes new memory, and the bound does not hold.
    #[tokio::test]
    async fn what_was_lent_comes_back_before_there_is_more() {
        let buffers = Buffers::new(1);
        let mut buffer = buffers.take().await;
        buffer.reserve(1000);
        let place = buffer.as_ptr();
        let lent = buffers.lend(buffer);
        let copy = lent.clone();
        drop(lent);
        assert!(buffers.take().now_or_never().is_none());
        drop(copy);
        let again = buffers.take().await;
        assert_eq!(again.as_ptr(), place);
    }
}
