//! How a container ended: code, reason and last words.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;

use super::snapshot::End;

/// Longest message from a termination log, in bytes.
const MESSAGE_BYTES: usize = 4096;
/// Longest message from the end of the output, in bytes.
const LOG_BYTES: u64 = 2048;

/// Where a container leaves its last words.
pub(super) struct LastWords<'a> {
    pub(super) termination_log: &'a Path,
    pub(super) output: &'a Path,
    /// Length of `output` when the container started.
    pub(super) output_start: u64,
    /// `FallbackToLogsOnError`
    pub(super) fall_back: bool,
}

/// The end of a container that ran from `started` until now.
pub(super) fn end(code: i32, words: &LastWords, started: Timestamp, finished: Timestamp) -> End {
    let reason = match code {
        0 => "Completed",
        128 => "StartError",
        _ => "Error",
    };
    let mut message = said(words.termination_log);
    if message.is_empty() && code != 0 && (words.fall_back || code == 128) {
        message = tail(words.output, words.output_start).unwrap_or_default();
    }
    End { code, reason: reason.into(), message, started, finished }
}

fn said(termination_log: &Path) -> String {
    let mut bytes = fs::read(termination_log).unwrap_or_default();
    bytes.truncate(MESSAGE_BYTES);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn tail(output: &Path, start: u64) -> std::io::Result<String> {
    let mut file = fs::File::open(output)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(length.saturating_sub(LOG_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, termination: &str, fall_back: bool) -> End {
        let folder = tempfile::tempdir().unwrap();
        let (log, output) = (folder.path().join("termination"), folder.path().join("output"));
        fs::write(&log, termination).unwrap();
        fs::write(&output, "old\nnew\n").unwrap();
        let words = LastWords { termination_log: &log, output: &output, output_start: 4, fall_back };
        end(code, &words, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_termination_log_comes_first_and_is_cut() {
        assert_eq!(ended(1, "report", true).message, "report");
        assert_eq!(ended(0, &"x".repeat(5000), false).message.len(), MESSAGE_BYTES);
    }

    #[test]
    fn output_of_this_start_stands_in_after_an_error_only() {
        assert_eq!(ended(1, "", true).message, "new\n");
        assert_eq!(ended(0, "", true).message, "");
        assert_eq!(ended(1, "", false).message, "");
    }
}
