//! A panic is a line of the log like any other, without its text, which may hold what was judged.

/// Logs the place of every panic from now on.
pub(crate) fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a bug: a task ended by a panic");
    }));
}
