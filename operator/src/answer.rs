//! What the API server said, in a line.

/// The message of a refusal as the API server gave it; kube adds the whole status to it.
pub(crate) fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}
