//! Markers as OpenBao has them: part of the data, so all servers of a cluster have the same.

use axum::body::Bytes;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// What OpenBao says of one that is not there.
const GONE: (u16, &str) = (400, r#"{"errors":["wrapping token is not valid or does not exist"]}"#);
/// The marker of a restore that some tests say was begun.
pub(super) const BEGUN: &str = "s.m";
/// The marker that the data of a snapshot have.
pub(super) const IN_SNAPSHOT: &str = "s.snapshot";

/// Those of one cluster, and what it does about them; change it at any time.
#[derive(Clone, Debug)]
pub(crate) struct Markers {
    pub(crate) alive: BTreeSet<String>,
    made: usize,
    /// Status of an answer to whoever wants one, and to whoever consumes one.
    pub(crate) wraps: u16,
    pub(crate) unwraps: u16,
    /// Seconds that it grants at the most.
    pub(crate) grants: i64,
    /// Index of the raft log that has the next one, where the answer says so.
    pub(crate) index: Option<u64>,
}

/// The markers of a cluster, in the hand of each of its servers.
pub(super) type Shared = Arc<Mutex<Markers>>;

impl Default for Markers {
    fn default() -> Self {
        Self {
            alive: BTreeSet::from([BEGUN.to_owned()]),
            made: 0,
            wraps: 200,
            unwraps: 200,
            grants: i64::MAX,
            index: Some(1),
        }
    }
}

impl Markers {
    /// The answer to a request for one of `sys/wrapping`, at this time.
    pub(super) fn answer(
        &mut self,
        what: &str,
        headers: &HeaderMap,
        body: &Bytes,
        now: Timestamp,
    ) -> (u16, String) {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let refused = |status: u16| (status, json!({"errors": ["as the test says"]}).to_string());
        match what {
            "wrap" if self.wraps != 200 => refused(self.wraps),
            "wrap" => {
                let wished = header("X-Vault-Wrap-TTL").trim_end_matches('s').parse::<i64>().unwrap();
                (200, self.wrapped(wished.min(self.grants), now))
            }
            "unwrap" if self.unwraps != 200 => refused(self.unwraps),
            "unwrap" if self.alive.remove(header("X-Vault-Token")) => (200, json!({"data": {}}).to_string()),
            "lookup" if self.alive.contains(looked_for(body).as_str()) => (200, json!({}).to_string()),
            _ => (GONE.0, GONE.1.to_owned()),
        }
    }

    fn wrapped(&mut self, ttl: i64, now: Timestamp) -> String {
        self.made += 1;
        let token = format!("s.m{}", self.made);
        self.alive.insert(token.clone());
        json!({"wrap_info": {"token": token, "ttl": ttl, "creation_time": now.to_string()}}).to_string()
    }

    /// Those that backups have made, and that live.
    pub(crate) fn of_backups(&self) -> Vec<String> {
        self.alive.iter().filter(|token| *token != BEGUN).cloned().collect()
    }

    /// The value of `X-Vault-Index`.
    pub(super) fn index(&self) -> Option<String> {
        let index = self.index?;
        Some(STANDARD.encode(json!({"cluster": "ours", "value": index.to_string()}).to_string()))
    }
}

fn looked_for(body: &Bytes) -> String {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    asked["token"].as_str().unwrap_or_default().to_owned()
}
