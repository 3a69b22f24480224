//! When to end: a signal, or the end of the process that we are there for.

use nix::unistd::getppid;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

const POLL: Duration = Duration::from_millis(500);

/// Waits until the cluster is to end.
pub(super) async fn asked(parent: Option<i32>) {
    tokio::select! {
        () = received(SignalKind::interrupt()) => (),
        () = received(SignalKind::terminate()) => (),
        () = ended(parent) => (),
    }
}

async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        // Without a handler the signal ends us, and the kernel our children.
        Err(_) => std::future::pending().await,
    }
}

/// An orphan gets another parent. `PR_SET_PDEATHSIG` would not do: it means the thread that started us, which in a
/// test binary ends with its test.
async fn ended(parent: Option<i32>) {
    let parent = parent.unwrap_or_else(|| getppid().as_raw());
    while getppid().as_raw() == parent {
        sleep(POLL).await;
    }
}
