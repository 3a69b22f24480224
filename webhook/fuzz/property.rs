//! What holds of any bytes that are given for an admission review.

use super::product::review::{Answer, Door, answer, refusal};
use super::settings::settings;
use serde_json::Value;

/// No panic, and an answer that an API server takes or none.
pub(crate) fn review(bytes: &[u8]) {
    let settings = settings();
    for door in [Door::Mutate, Door::Validate] {
        if let Ok(answer) = answer(door, bytes, &settings) {
            is_valid(door, &answer);
        }
    }
    if let Some(review) = refusal(bytes, 400, "no") {
        let Some(response) = review.response else { panic!("a refusal is an answer") };
        assert!(!response.allowed && !response.uid.is_empty() && response.uid.len() <= 128);
    }
}

/// Only what breaks a rule is refused, and only by the one who judges.
fn is_valid(door: Door, answer: &Answer) {
    let Some(response) = &answer.review.response else { panic!("no response") };
    assert_eq!(response.allowed, !answer.verdict.is_refused());
    assert!(response.allowed || (door == Door::Validate && answer.kind.is_some()));
    let code = response.result.code;
    assert!(if response.allowed { code == 0 } else { [422, 403].contains(&code) }, "{code}");
    let Ok(written) = serde_json::to_value(&answer.review) else { panic!("it cannot be written") };
    assert_eq!(written["response"]["uid"], Value::from(response.uid.as_str()));
    if let Some(patch) = &response.patch {
        assert!(serde_json::from_slice::<json_patch::Patch>(patch).is_ok());
    }
}
