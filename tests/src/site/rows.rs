//! Rows of a table side by side, each to its end whatever becomes of the others.

use futures::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;

/// Runs all rows, some at once, and fails if one of them did; each has told why by then.
///
/// # Panics
/// When one of them did.
pub async fn all(rows: impl IntoIterator<Item = impl Future<Output = ()>>, at_once: usize) {
    let rows = rows.into_iter().map(|row| AssertUnwindSafe(row).catch_unwind());
    let ends: Vec<_> = futures::stream::iter(rows).buffer_unordered(at_once).collect().await;
    let failed = ends.iter().filter(|end| end.is_err()).count();
    assert_eq!(failed, 0, "of {} rows; each is told above", ends.len());
}
