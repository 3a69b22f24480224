//! What came to a proxy, and when.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// One POST of a whole snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    /// Bytes of the body that it was to have.
    pub length: u64,
    /// Bytes of it that came, as far as they were looked at: to the next point of its way.
    pub received: u64,
    /// When its connection ended, or its answer was given.
    pub over: Option<Instant>,
}

/// All of them, and the moments at which something was made to break.
#[derive(Debug, Default)]
pub(super) struct Record {
    posts: Mutex<Vec<Post>>,
    breaks: Mutex<Vec<Instant>>,
}

impl Record {
    /// Gives the number by which it is known.
    pub(super) fn begin(&self, length: u64) -> usize {
        let mut posts = lock(&self.posts);
        posts.push(Post { length, received: 0, over: None });
        posts.len() - 1
    }

    pub(super) fn received(&self, post: usize, bytes: u64) {
        lock(&self.posts)[post].received = bytes;
    }

    pub(super) fn over(&self, post: usize) {
        lock(&self.posts)[post].over = Some(Instant::now());
    }

    pub(super) fn broken(&self) {
        lock(&self.breaks).push(Instant::now());
    }

    pub(super) fn posts(&self) -> Vec<Post> {
        lock(&self.posts).clone()
    }

    pub(super) fn breaks(&self) -> Vec<Instant> {
        lock(&self.breaks).clone()
    }
}

fn lock<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
