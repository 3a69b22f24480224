//! Events on objects, written by one recorder for the whole process: it counts what repeats.

use crate::answer::message;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, Recorder};

/// Longest note of an event that the API server takes, in bytes.
const NOTE: usize = 1024;

/// Writes an event. One that was not written changes nothing about what was done.
pub(crate) async fn publish(recorder: &Recorder, mut event: Event, about: &ObjectReference) {
    event.note = event.note.as_deref().map(note);
    if let Err(error) = recorder.publish(&event, about).await {
        tracing::warn!(reason = event.reason, error = message(&error), "an event was not written");
    }
}

/// At most [`NOTE`] bytes, whole characters.
fn note(message: &str) -> String {
    message[..message.floor_char_boundary(NOTE)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A longer note is refused, and with it the event.
    #[test]
    fn a_long_note_is_cut_between_characters() {
        assert_eq!(note("short"), "short");
        assert_eq!(note(&format!("a{}", "\u{e9}".repeat(600))).len(), NOTE - 1);
    }
}
