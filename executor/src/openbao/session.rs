//! A login at the leader, and what is done with it.

use super::{ANSWER, Answer, Node, OpenBaoError, Seal, ask, insist, judge_seal, whole};
use crate::report::fault;
use api::task::Login;
use archive::Summary;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Where a snapshot is sent, with OpenBao's check of its seal.
pub(crate) const SNAPSHOT: &str = "sys/storage/raft/snapshot";
/// Where it is sent without.
pub(crate) const SNAPSHOT_FORCE: &str = "sys/storage/raft/snapshot-force";
pub(super) const WRAP: &str = "sys/wrapping/wrap";
pub(crate) const TOKEN: &str = "X-Vault-Token";
const REVOKE: &str = "auth/token/revoke-self";
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

/// Life of a token for one use: it is asked for once, when its request begins.
const ONE_USE_TTL: &str = "30m";

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
        let token = match login {
            Login::Token { key } => {
                let text = secret("token", key, "The token of the Secret")?;
                match purpose {
                    Purpose::Restore => given(leader, text).await?,
                    Purpose::Backup => text,
                }
            }
            Login::Jwt { mount, role } => {
                let jwt = secret("jwt", "token", "The pod's own token for OpenBao")?;
                exchange(leader, mount, role, &jwt, purpose).await?
            }
        };
        Ok(Self { leader: leader.clone(), token, login: login.clone() })
    }

    /// At a server that asks nothing.
    #[cfg(test)]
    pub(crate) fn at(leader: Node) -> Self {
        let login = Login::Token { key: "token".to_owned() };
        Self { leader, token: "s.t".to_owned(), login }
    }

    /// Whether it may do all that a restore needs.
    pub(crate) async fn may_restore(&self, force: bool) -> Result<(), OpenBaoError> {
        let mut paths = vec![SNAPSHOT, WRAP];
        if force {
            paths.push(SNAPSHOT_FORCE);
        }
        let what = "the question for capabilities";
        let answered = self.post(CAPABILITIES, &json!({ "paths": paths })).await;
        let answered = answered.map_err(|fault| OpenBaoError::unclear(what, fault))?;
        match answered.status {
            200 => {}
            403 => {
                let paths = [&[CAPABILITIES], &paths[..]].concat();
                let lacks = self.lacks(&answered.fault(), UPDATE, &paths);
                return Err(lacks.of_a_token_that_may_be_void());
            }
            _ => return Err(answered.unclear(what)),
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
        self.leader.request(method, path).header(TOKEN, &self.token)
    }

    /// Asks whether the leader has the keys of the snapshot, by an archive that it cannot accept.
    pub(crate) async fn seal(&self, summary: &Summary) -> Seal {
        let Some(probe) = archive::dry_run(summary) else {
            return Seal::Inconclusive("the snapshot has no sealed list".to_owned());
        };
        let request = self.request(Method::POST, SNAPSHOT).timeout(DRY_RUN).body(probe);
        let verdict = match insist(request).await {
            Ok(answered) => judge_seal(&answered),
            Err(fault) => Seal::Inconclusive(fault),
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

    /// A token for one use, where the policy lets the login make one, else its own: a server that cannot count the use,
    /// such as a standby, refuses it before it reads a body.
    pub(crate) async fn one_use(&self) -> String {
        let wanted = json!({ "num_uses": 1, "ttl": ONE_USE_TTL, "renewable": false });
        let made = self.post("auth/token/create", &wanted).await;
        let token = made.as_ref().ok().and_then(|answer| answer.body["auth"]["client_token"].as_str());
        if token.is_none() {
            tracing::info!(
                "the policy lets the login make no token for one use; the POST is made with its own"
            );
        }
        token.unwrap_or(&self.token).to_owned()
    }

    /// Asks the leader for a snapshot; gives it once its first bytes come.
    pub(crate) async fn download(&self) -> Result<Response, OpenBaoError> {
        let (refused, begun) = (OpenBaoError::no_snapshot, Instant::now());
        loop {
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
            match answered.pause(begun) {
                Some(pause) => sleep(pause).await,
                None if answered.status == 403 => {
                    let lacks = self.lacks(&answered.fault(), READ, &[SNAPSHOT]);
                    return Err(lacks.of_a_token_that_may_be_void());
                }
                None => return Err(refused(answered.fault())),
            }
        }
    }

    /// Gives back what the login got. A token of a Secret is its owner's; one that stays expires by itself.
    pub(crate) async fn end(&self) {
        if matches!(self.login, Login::Jwt { .. })
            && let Err(fault) = ask(self.request(Method::POST, REVOKE).json(&json!({}))).await
        {
            tracing::warn!(fault, "the token of the login could not be revoked; it expires by itself");
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        insist(self.request(Method::POST, path).json(body)).await
    }
}

/// The token of a Secret. It may not be allowed to look itself up, and then nothing is known about it.
async fn given(leader: &Node, token: String) -> Result<String, OpenBaoError> {
    let what = "the question for the token's type";
    let request = leader.request(Method::GET, "auth/token/lookup-self").header(TOKEN, &token);
    let answered = insist(request).await.map_err(|fault| OpenBaoError::unclear(what, fault))?;
    let data = &answered.body["data"];
    match (answered.status, data["type"].as_str()) {
        (200, Some("service")) | (403, _) => Ok(token),
        (200, Some(found)) => Err(OpenBaoError::BatchToken { found: found.to_owned() }),
        _ => Err(answered.unclear(what)),
    }
}

/// The pod's token for one of OpenBao.
async fn exchange(
    leader: &Node,
    mount: &str,
    role: &str,
    jwt: &str,
    purpose: Purpose,
) -> Result<String, OpenBaoError> {
    let path = format!("auth/{mount}/login");
    let unclear = |fault| OpenBaoError::unclear("the login", fault);
    let answered = leader.post(&path, &json!({ "role": role, "jwt": jwt })).await.map_err(unclear)?;
    let auth = &answered.body["auth"];
    let (mount, role) = (mount.to_owned(), role.to_owned());
    match (answered.status, auth["client_token"].as_str(), auth["token_type"].as_str()) {
        (200, Some(token), kind) if kind == Some("service") || purpose == Purpose::Backup => {
            Ok(token.to_owned())
        }
        (200, Some(_), found) => {
            Err(OpenBaoError::Batch { mount, role, found: found.unwrap_or_default().to_owned() })
        }
        (400 | 403 | 404, ..) => Err(OpenBaoError::Login { mount, role, fault: answered.fault() }),
        _ => Err(answered.unclear("the login")),
    }
}

fn may_update(answer: &Value, path: &str) -> bool {
    let granted = answer[path].as_array().or_else(|| answer["data"][path].as_array());
    granted.is_some_and(|all| all.iter().any(|one| matches!(one.as_str(), Some("update" | "root"))))
}
