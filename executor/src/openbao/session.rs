//! A login at the leader, and what is done with it.

use super::{ANSWER, Answer, Node, OpenBaoError, Seal, ask, judge_seal, whole};
use crate::clock::Moment;
use crate::report::fault;
use api::task::Login;
use archive::Summary;
use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// Where a snapshot is sent, with OpenBao's check of its seal.
pub(crate) const SNAPSHOT: &str = "sys/storage/raft/snapshot";
/// Where it is sent without.
pub(crate) const SNAPSHOT_FORCE: &str = "sys/storage/raft/snapshot-force";
pub(super) const WRAP: &str = "sys/wrapping/wrap";
const CAPABILITIES: &str = "sys/capabilities-self";
/// Capability of who may send a snapshot.
const UPDATE: &str = "update";
/// Capability of who may have one.
const READ: &str = "read";
/// Longest wait for the answer to the dry run, which the server writes to its disk.
const DRY_RUN: Duration = Duration::from_secs(30);

/// Longest wait for the first byte of a snapshot: the server reads its whole database before, minutes for 10 GB on a slow
/// volume.
const FIRST_BYTE: Duration = Duration::from_mins(10);

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Which makes its token void: a second POST is refused by the server too. A batch token would outlive it.
    Restore,
    Backup,
}

/// A token, at the leader.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) leader: Node,
    token: String,
    login: Login,
    begun: Moment,
    /// How long after the beginning the token is void; none: nobody can tell.
    life: Option<SignedDuration>,
}

/// A token, and how long it lives.
struct Token {
    text: String,
    life: Option<SignedDuration>,
}

impl Session {
    /// Logs in with the files in `mounts`.
    pub(crate) async fn begin(
        leader: &Node,
        login: &Login,
        mounts: &Path,
        purpose: Purpose,
    ) -> Result<Self, OpenBaoError> {
        let secret = |folder: &str, file: &str, what| {
            let fault = |fault| OpenBaoError::Credential { what, fault, login: login.clone() };
            let text = std::fs::read_to_string(mounts.join(folder).join(file))
                .map_err(|error| fault(error.to_string()))?;
            let text = text.trim().to_owned();
            if text.is_empty() { Err(fault("it is empty".to_owned())) } else { Ok(text) }
        };
        let begun = Moment::now();
        let Token { text, life } = match login {
            Login::Token { key } => {
                let text = secret("token", key, "The token of the Secret")?;
                match purpose {
                    Purpose::Restore => given(leader, text).await?,
                    Purpose::Backup => Token { text, life: None },
                }
            }
            Login::Jwt { mount, role } => {
                let jwt = secret("jwt", "token", "The pod's own token for OpenBao")?;
                exchange(leader, mount, role, &jwt, purpose).await?
            }
        };
        Ok(Self { leader: leader.clone(), token: text, login: login.clone(), begun, life })
    }

    /// At a server that asks nothing.
    #[cfg(test)]
    pub(crate) fn at(leader: Node) -> Self {
        let login = Login::Token { key: "token".to_owned() };
        Self { leader, token: "s.t".to_owned(), login, begun: Moment::now(), life: None }
    }

    /// How long the token can still be used, at most; none: nobody can tell.
    pub(crate) fn left(&self) -> Option<SignedDuration> {
        let passed = SignedDuration::try_from(self.begun.at_least()).unwrap_or(SignedDuration::MAX);
        self.life.map(|life| life.saturating_sub(passed).max(SignedDuration::ZERO))
    }

    /// Whether it may do all that a restore needs.
    pub(crate) async fn may_restore(&self, force: bool) -> Result<(), OpenBaoError> {
        let mut paths = vec![SNAPSHOT, WRAP];
        if force {
            paths.push(SNAPSHOT_FORCE);
        }
        let what = "the question for capabilities";
        let answered = self.post(CAPABILITIES, &json!({ "paths": paths })).await;
        let answered = answered.map_err(|fault| OpenBaoError::Answer { what, fault })?;
        match answered.status {
            200 => {}
            403 => {
                let paths = [&[CAPABILITIES], &paths[..]].concat();
                let lacks = self.lacks(&answered.fault(), UPDATE, &paths);
                return Err(lacks.of_a_token_that_may_be_void());
            }
            _ => return Err(OpenBaoError::Answer { what, fault: answered.fault() }),
        }
        let missing: Vec<&str> = paths.into_iter().filter(|path| !may_update(&answered.body, path)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(self.lacks(&format!("no update of {}", missing.join(", ")), UPDATE, &missing))
        }
    }

    fn lacks(&self, fault: &str, capability: &str, paths: &[&str]) -> OpenBaoError {
        let line = |path: &&str| format!("path \"{path}\" {{ capabilities = [\"{capability}\"] }}");
        let policy = paths.iter().map(line).collect::<Vec<_>>().join(" ");
        OpenBaoError::Permission { fault: fault.to_owned(), policy, login: self.login.clone() }
    }

    /// The policy does not let the login make a marker.
    pub(super) fn may_not_wrap(&self, fault: &str) -> OpenBaoError {
        self.lacks(fault, UPDATE, &[WRAP])
    }

    /// A request to the leader with the token, without a limit of time.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.leader.request(method, path).header("X-Vault-Token", &self.token)
    }

    /// Asks whether the leader has the keys of the snapshot, by an archive that it cannot accept.
    pub(crate) async fn seal(&self, summary: &Summary) -> Seal {
        let Some(probe) = archive::dry_run(summary) else {
            return Seal::Inconclusive("the snapshot has no sealed list".to_owned());
        };
        let request = self.snapshot(SNAPSHOT).timeout(DRY_RUN).body(probe);
        let answered = async { whole(request.send().await?).await };
        let verdict = match answered.await {
            Ok(answered) => judge_seal(&answered),
            Err(error) => Seal::Inconclusive(fault(error)),
        };
        match verdict {
            Seal::Inconclusive(_)
                if self.leader.seal_kind().await.is_some_and(|kind| kind != summary.seal.kind) =>
            {
                Seal::Other
            }
            verdict => verdict,
        }
    }

    /// A request that sends a snapshot.
    pub(crate) fn snapshot(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Asks the leader for a snapshot; gives it once its first bytes come.
    pub(crate) async fn download(&self) -> Result<Response, OpenBaoError> {
        let refused = |fault| OpenBaoError::NoSnapshot { fault };
        let response = timeout(FIRST_BYTE, self.request(Method::GET, SNAPSHOT).send())
            .await
            .map_err(|_| refused(format!("nothing came within {} s", FIRST_BYTE.as_secs())))?
            .map_err(|error| refused(fault(error)))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let answered = timeout(ANSWER, whole(response)).await;
        let answered = answered.map_err(|_| refused("its answer broke off".to_owned()))?;
        let answered = answered.map_err(|error| refused(fault(error)))?;
        match answered.status {
            403 => Err(self.lacks(&answered.fault(), READ, &[SNAPSHOT]).of_a_token_that_may_be_void()),
            _ => Err(refused(answered.fault())),
        }
    }

    /// Gives back what the login got. A token of a Secret is its owner's; one that stays expires by itself.
    pub(crate) async fn end(&self) {
        if matches!(self.login, Login::Jwt { .. })
            && let Err(fault) = self.post("auth/token/revoke-self", &json!({})).await
        {
            tracing::warn!(fault, "the token of the login could not be revoked; it expires by itself");
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        ask(self.request(Method::POST, path).json(body)).await
    }
}

/// The token of a Secret. It may not be allowed to look itself up, and then nothing is known about it; one that can be
/// renewed may be renewed by its owner at any time.
async fn given(leader: &Node, token: String) -> Result<Token, OpenBaoError> {
    let what = "the question for the token's type";
    let request = leader.request(Method::GET, "auth/token/lookup-self").header("X-Vault-Token", &token);
    let answered = ask(request).await.map_err(|fault| OpenBaoError::Answer { what, fault })?;
    let data = &answered.body["data"];
    match (answered.status, data["type"].as_str()) {
        (200, Some("service")) => {
            let ends = data["renewable"] == false;
            Ok(Token { text: token, life: seconds_of(&data["ttl"]).filter(|_| ends) })
        }
        (200, Some(found)) => Err(OpenBaoError::BatchToken { found: found.to_owned() }),
        (403, _) => Ok(Token { text: token, life: None }),
        _ => Err(OpenBaoError::Answer { what, fault: answered.fault() }),
    }
}

/// The pod's token for one of OpenBao.
async fn exchange(
    leader: &Node,
    mount: &str,
    role: &str,
    jwt: &str,
    purpose: Purpose,
) -> Result<Token, OpenBaoError> {
    let path = format!("auth/{mount}/login");
    let unclear = |fault| OpenBaoError::Answer { what: "the login", fault };
    let answered = leader.post(&path, &json!({ "role": role, "jwt": jwt })).await.map_err(unclear)?;
    let auth = &answered.body["auth"];
    let (mount, role) = (mount.to_owned(), role.to_owned());
    match (answered.status, auth["client_token"].as_str(), auth["token_type"].as_str()) {
        (200, Some(token), kind) if kind == Some("service") || purpose == Purpose::Backup => {
            Ok(Token { text: token.to_owned(), life: seconds_of(&auth["lease_duration"]) })
        }
        (200, Some(_), found) => {
            Err(OpenBaoError::Batch { mount, role, found: found.unwrap_or_default().to_owned() })
        }
        (400 | 403 | 404, ..) => Err(OpenBaoError::Login { mount, role, fault: answered.fault() }),
        _ => Err(unclear(answered.fault())),
    }
}

/// A time to live, where there is one: OpenBao says 0 for none.
fn seconds_of(value: &Value) -> Option<SignedDuration> {
    value.as_i64().filter(|seconds| *seconds > 0).map(SignedDuration::from_secs)
}

fn may_update(answer: &Value, path: &str) -> bool {
    let granted = answer[path].as_array().or_else(|| answer["data"][path].as_array());
    granted.is_some_and(|all| all.iter().any(|one| matches!(one.as_str(), Some("update" | "root"))))
}
