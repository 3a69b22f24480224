//! Markers: wrapping tokens that open nothing. They are looked up without a credential, and are part of the data.

use super::session::WRAP;
use super::{Node, OpenBaoError, Session, ask, insist};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

const LOOKUP: &str = "sys/wrapping/lookup";
const UNWRAP: &str = "sys/wrapping/unwrap";
/// What OpenBao says of one that is not there, with status 400.
const GONE: &str = "wrapping token is not valid or does not exist";

/// A marker that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) token: String,
    /// By the clock of the leader, as is its end.
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    /// Index of the raft log that has it.
    pub(crate) index: Option<u64>,
}

impl Session {
    /// Makes a marker that lives this long, or for as long as the server grants, and finds it again.
    pub(crate) async fn mark(&self, text: &str, life: SignedDuration) -> Result<Marked, OpenBaoError> {
        let unclear = |fault| OpenBaoError::unclear("the request for a marker", fault);
        let life = format!("{}s", life.as_secs());
        let request = self.request(Method::POST, WRAP).header("X-Vault-Wrap-TTL", life);
        let wrapped = insist(request.json(&json!({ "request": text }))).await.map_err(unclear)?;
        let info = &wrapped.body["wrap_info"];
        let created = info["creation_time"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        let life = info["ttl"].as_i64().filter(|seconds| *seconds > 0).map(SignedDuration::from_secs);
        let (token, created, life) = match (wrapped.status, info["token"].as_str(), created, life) {
            (200, Some(token), Some(created), Some(life)) => (token.to_owned(), created, life),
            (403, ..) => return Err(self.may_not_wrap(&wrapped.fault())),
            _ => return Err(wrapped.unclear("the request for a marker")),
        };
        if !self.leader.has_marker(&token).await.map_err(unclear)? {
            return Err(unclear("its marker is not there".to_owned()));
        }
        let expires = created.saturating_add(life).unwrap_or(created);
        Ok(Marked { token, created, expires, index: wrapped.index })
    }
}

impl Node {
    /// Whether a marker is in the data of this server; an error: it gave no clear answer.
    pub(crate) async fn has_marker(&self, marker: &str) -> Result<bool, String> {
        let answer = self.post(LOOKUP, &json!({ "token": marker })).await?;
        match answer.status {
            200 => Ok(true),
            400 if answer.fault().contains(GONE) => Ok(false),
            _ => Err(answer.fault()),
        }
    }

    /// Takes a marker out of the data, which needs no right but the marker itself, and sees that it is gone. Says whether it
    /// was there until now: somebody may have consumed it before, or replaced the data.
    pub(crate) async fn consume(&self, marker: &str) -> Result<bool, String> {
        let unwrap = self.request(Method::POST, UNWRAP).header("X-Vault-Token", marker).json(&json!({}));
        let answer = ask(unwrap).await?;
        if self.has_marker(marker).await? {
            return Err(format!("it stays: {}", answer.fault()));
        }
        Ok(answer.status == 200)
    }
}

/// The index of `X-Vault-Index`: JSON in base64.
pub(super) fn index(headers: &HeaderMap) -> Option<u64> {
    let bytes = STANDARD.decode(headers.get("X-Vault-Index")?).ok()?;
    serde_json::from_slice::<Value>(&bytes).ok()?["value"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    /// Bug: a snapshot of before the marker is taken for one that has it.
    #[test]
    fn the_index_of_an_answer_is_read() {
        let read = |text: &str| {
            let value = HeaderValue::from_str(&STANDARD.encode(text)).unwrap();
            index(&HeaderMap::from_iter([("x-vault-index".parse().unwrap(), value)]))
        };
        assert_eq!(read(r#"{"cluster":"c","value":"444"}"#), Some(444));
        for wrong in ["", "{}", r#"{"value":444}"#, r#"{"value":"-1"}"#] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(index(&HeaderMap::new()), None);
    }
}
