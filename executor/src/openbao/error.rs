//! Why OpenBao is not ready.

use crate::report::{Fault, anew};
use crate::steps;
use api::conditions::Reason;
use api::task::{Login, Task};
use thiserror::Error;

/// Why OpenBao is not ready for a restore or a backup. Nothing was changed.
#[derive(Debug, Error)]
pub(crate) enum OpenBaoError {
    #[error(
        "The address {address:?} of a server {why}. Correct spec.connection.addresses of the OpenBaoCluster, then try again."
    )]
    Address { address: String, why: String },
    #[error(
        "{0:?} is not a host name. Correct spec.connection.tlsServerName of the OpenBaoCluster, then try again."
    )]
    ServerName(String),
    #[error(
        "The CA of the servers cannot be used: {0}. See that the CA Secret of the OpenBaoCluster has it, then try again."
    )]
    Authority(String),
    #[error(
        "Server {address} cannot be asked: {fault}. See that it runs and that this namespace may reach it, then try again."
    )]
    Unreachable { address: String, fault: String },
    #[error("Server {address} is sealed. Unseal it, then try again.")]
    Sealed { address: String },
    #[error(
        "Server {address} is not initialised. Initialise it (bao operator init) or let it join, then try again."
    )]
    Uninitialised { address: String },
    #[error("The servers have no leader: {0}. See `bao operator raft list-peers`, then try again.")]
    NoLeader(String),
    #[error(
        "Server {address} does not get as far as the leader: after 10 s it still had not applied what the leader had committed. See why it is slow, then try again."
    )]
    Behind { address: String },
    #[error(
        "The listener of {address} cuts a request after {seconds} s, and this pod needs at least {needed} s to send the snapshot. Set http_read_timeout = \"{setting}\" in the listener of every server and restart them, then try again."
    )]
    ReadTimeout { address: String, seconds: u64, needed: u64, setting: String },
    #[error("The Task names no credentials. Use the image of the operator's own release.")]
    NoLogin,
    #[error("{what} cannot be read: {fault}. Correct the Secret, then try again.")]
    Credential { what: &'static str, fault: String, login: Login },
    #[error(
        "OpenBao refuses the login with role {role:?} at auth/{mount}: {fault}. Correct the role (its bound audience, subject and claims) or the request."
    )]
    Login { mount: String, role: String, fault: String },
    #[error(
        "Role {role:?} at auth/{mount} issues tokens of type {found:?}, which outlive a restore. Set token_type=service on the role, then try again."
    )]
    Batch { mount: String, role: String, found: String },
    #[error(
        "The token of the Secret is of type {found:?}, which outlives a restore. Put a service token into the Secret, then try again."
    )]
    BatchToken { found: String },
    #[error("The credentials may not do all that is needed: {fault}. Add to their policy: {policy}")]
    Permission { fault: String, policy: String, login: Login },
    #[error(
        "OpenBao refuses the token: {fault}. It has expired or was revoked: put a new one into the Secret; or it lacks rights: add to its policy: {policy}"
    )]
    Token { fault: String, policy: String },
    #[error("The leader gave no clear answer to {what}: {fault}. See its log, then try again.")]
    Answer { what: &'static str, fault: String },
    #[error("The leader gave no snapshot: {fault}. See its log, then try again.")]
    NoSnapshot { fault: String },
    #[error(
        "The snapshot was used by OpenBao {snapshot}, and a server runs {server}: an older server seals itself on it. Upgrade the servers, or choose an older snapshot."
    )]
    Older { snapshot: String, server: String },
    #[error(
        "The snapshot is sealed with other keys than this cluster has. Choose a snapshot of this cluster; or, if you hold the keys of the snapshot's cluster, create a new request with force: true."
    )]
    OtherKeys,
}

impl OpenBaoError {
    /// The token of a Secret that may not even ask may be void: OpenBao does not say which.
    pub(super) fn of_a_token_that_may_be_void(self) -> Self {
        match self {
            Self::Permission { fault, policy, login: Login::Token { .. } } => Self::Token { fault, policy },
            other => other,
        }
    }
}

impl Fault for OpenBaoError {
    fn reason(&self) -> Reason {
        match self {
            Self::Address { .. }
            | Self::ServerName(_)
            | Self::Authority(_)
            | Self::Unreachable { .. }
            | Self::Answer { .. } => Reason::ServerUnreachable,
            Self::Sealed { .. } | Self::Uninitialised { .. } => Reason::ServerSealed,
            Self::NoLeader(_) => Reason::NoLeader,
            Self::Behind { .. } => Reason::IndexLag,
            Self::ReadTimeout { .. } => Reason::ReadTimeout,
            Self::NoLogin | Self::Credential { .. } | Self::Login { .. } | Self::Token { .. } => {
                Reason::LoginRefused
            }
            Self::Batch { .. } | Self::BatchToken { .. } => Reason::BatchToken,
            Self::Permission { .. } => Reason::PermissionMissing,
            Self::NoSnapshot { .. } => Reason::SnapshotRefused,
            Self::Older { .. } => Reason::ServerOlder,
            Self::OtherKeys => Reason::SealMismatch,
        }
    }

    fn field(&self) -> Option<String> {
        let field = match self {
            Self::Credential { login, .. } | Self::Permission { login, .. } => match login {
                Login::Jwt { .. } => "spec.jwtAuthRole",
                Login::Token { .. } => "spec.tokenSecretRef",
            },
            Self::Token { .. } | Self::BatchToken { .. } => "spec.tokenSecretRef",
            Self::Login { .. } | Self::Batch { .. } => "spec.jwtAuthRole",
            Self::Older { .. } => "spec.source.key",
            Self::OtherKeys => "spec.force",
            _ => "spec.cluster",
        };
        Some(field.to_owned())
    }

    fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Sealed { .. }
                | Self::NoLeader(_)
                | Self::Behind { .. }
                | Self::Answer { .. }
                | Self::NoSnapshot { .. }
        )
    }

    fn next_step(&self, task: &Task) -> String {
        match self {
            Self::Unreachable { address, .. } => steps::unless_forced(task, steps::status(address)),
            Self::Uninitialised { address } => steps::status(address),
            Self::Sealed { address } => {
                steps::unless_forced(task, format!("bao operator unseal -address={address}"))
            }
            Self::NoLeader(_) => "bao operator raft list-peers".to_owned(),
            Self::Behind { .. } => steps::unless_forced(task, "bao operator raft autopilot state".to_owned()),
            Self::ReadTimeout { setting, .. } => steps::read_timeout(setting),
            Self::Address { .. } | Self::ServerName(_) | Self::Authority(_) => {
                format!("{} get openbaocluster --output=yaml", steps::kubectl(task))
            }
            Self::Login { mount, role, .. } => format!("bao read auth/{mount}/role/{role}"),
            Self::Batch { mount, role, .. } => {
                format!("bao read auth/{mount}/role/{role}   # write it again with token_type=service")
            }
            Self::BatchToken { .. } | Self::Token { .. } => {
                format!("bao token create -type=service -policy={}", steps::purpose(task))
            }
            Self::Permission { .. } => steps::policy(task),
            Self::NoLogin | Self::Credential { .. } | Self::Answer { .. } | Self::NoSnapshot { .. } => {
                anew(task, self.field())
            }
            Self::Older { .. } | Self::OtherKeys => steps::list(task),
        }
    }
}
