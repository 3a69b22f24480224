//! What the human sees: one line for each thing that is ready, and after how many seconds.

use std::io::Write;
use std::time::Instant;

/// Time since the start.
#[derive(Debug)]
pub(super) struct Report {
    start: Instant,
}

impl Report {
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Says that `what` is ready.
    pub(super) fn done(&self, what: &str) {
        say(&format!("{:>6.1} s  {what}", self.seconds()));
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// Says one line. Nobody may be listening any more, which must not end the cluster.
pub(super) fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
