//! Why OpenBao is not ready.

use super::Answer;
use crate::report::{Fault, anew};
use crate::steps;
use api::conditions::Reason;
use api::task::{Login, Task};
use thiserror::Error;

/// What OpenBao says, with status 429, of a request that a quota refuses.
const QUOTA: &str = "rate limit quota exceeded";

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
    #[error("Server {address} is sealed. Unseal it, unless a restore has told you not to, then try again.")]
    Sealed { address: String },
    #[error(
        "Server {address} is not initialised. Initialise it (bao operator init) or let it join, then try again."
    )]
    Uninitialised { address: String },
    #[error("The servers have no leader: {0}. See `bao operator raft list-peers`, then try again.")]
    NoLeader(String),
    #[error(
        "spec.connection.addresses of the OpenBaoCluster names {have} of {need} servers: some connections meet the leader, others a standby, which would seal itself on a snapshot. Name each server by an address of its own, or set spec.replicas to their number, then try again."
    )]
    AddressMissing { have: usize, need: usize },
    #[error(
        "The address {address} leads to more than one server: {fault}. Name each server by an address of its own in spec.connection.addresses of the OpenBaoCluster, then try again."
    )]
    AddressShared { address: String, fault: String },
    #[error(
        "Several servers give {0} as their own api_addr, so that nobody can tell which of them leads. Give each server an api_addr of its own and restart it, then try again."
    )]
    ApiAddressShared(String),
    #[error(
        "The servers are of another cluster than those that were checked: their cluster id is {now}, and was {then}. See where spec.connection of the OpenBaoCluster leads, then try again."
    )]
    OtherCluster { now: String, then: String },
    #[error(
        "The data of the servers are older than they were when they were checked: raft index {now}, and it was {then}. Their volumes were put back, or it is another OpenBao. See what was done to them, then try again."
    )]
    OlderData { now: u64, then: u64 },
    #[error(
        "Somebody has replaced the data of the cluster since they were checked: the marker that the check left is gone. What was checked is about other data. Create a new request, if it is still wanted."
    )]
    Superseded,
    #[error(
        "A quota of OpenBao refuses {what}: {fault}. Raise that quota, or exempt the path (bao read sys/quotas/config), then try again."
    )]
    Quota { what: &'static str, fault: String },
    #[error(
        "The snapshot could not be sent, and each attempt ended before the last bytes, without which no server accepts it: {0}. See the network and the log of the leader, then try again."
    )]
    PostBroke(String),
    #[error(
        "The leader refused the snapshot before it had all of it: {0}. See its log and what stands before it, then try again."
    )]
    PostRefused(String),
    #[error("This pod could not send the snapshot: {0}. See its log and its volume, then try again.")]
    PostUnready(String),
    #[error(
        "The listener of the leader cut the upload: {fault}. Set http_read_timeout = \"{setting}\" in the listener of every server and restart them, then try again."
    )]
    PostCut { fault: String, setting: String },
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
    /// What the end of the last attempt at a POST says.
    pub(crate) fn of_post(fault: String) -> Self {
        Self::quota("the snapshot", &fault).unwrap_or(Self::PostBroke(fault))
    }

    /// No clear answer to `what`.
    pub(crate) fn unclear(what: &'static str, fault: String) -> Self {
        Self::quota(what, &fault).unwrap_or(Self::Answer { what, fault })
    }

    /// No usable answer of this server at all.
    pub(crate) fn unreachable(address: &str, fault: String) -> Self {
        let otherwise = |fault| Self::Unreachable { address: address.to_owned(), fault };
        Self::quota("the questions to a server", &fault).unwrap_or_else(|| otherwise(fault))
    }

    /// No snapshot.
    pub(super) fn no_snapshot(fault: String) -> Self {
        Self::quota("the request for a snapshot", &fault).unwrap_or(Self::NoSnapshot { fault })
    }

    fn quota(what: &'static str, fault: &str) -> Option<Self> {
        fault.contains(QUOTA).then(|| Self::Quota { what, fault: fault.to_owned() })
    }

    /// Whether servers that say so may say otherwise in a moment.
    pub(super) const fn may_pass_soon(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoLeader(_) | Self::Quota { .. })
    }

    /// The token of a Secret that may not even ask may be void: OpenBao does not say which.
    pub(super) fn of_a_token_that_may_be_void(self) -> Self {
        match self {
            Self::Permission { fault, policy, login: Login::Token { .. } } => Self::Token { fault, policy },
            other => other,
        }
    }
}

impl Answer {
    /// An answer to `what` that is none of those that are known.
    pub(super) fn unclear(&self, what: &'static str) -> OpenBaoError {
        OpenBaoError::unclear(what, self.fault())
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
            Self::AddressMissing { .. } => Reason::AddressMissing,
            Self::AddressShared { .. } | Self::ApiAddressShared(_) => Reason::AddressShared,
            Self::OtherCluster { .. } | Self::OlderData { .. } => Reason::ClusterChanged,
            Self::Superseded => Reason::Superseded,
            Self::Quota { .. } => Reason::QuotaExceeded,
            Self::PostBroke(_) | Self::PostRefused(_) | Self::PostUnready(_) => Reason::NotApplied,
            Self::Behind { .. } => Reason::IndexLag,
            Self::ReadTimeout { .. } | Self::PostCut { .. } => Reason::ReadTimeout,
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
            Self::Superseded
            | Self::Quota { .. }
            | Self::PostBroke(_)
            | Self::PostRefused(_)
            | Self::PostUnready(_) => return None,
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
                | Self::Quota { .. }
                | Self::PostBroke(_)
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
            Self::ReadTimeout { setting, .. } | Self::PostCut { setting, .. } => steps::read_timeout(setting),
            Self::Quota { .. } => {
                "bao list sys/quotas/rate-limit   # and bao read sys/quotas/config".to_owned()
            }
            Self::Address { .. }
            | Self::ServerName(_)
            | Self::Authority(_)
            | Self::AddressMissing { .. }
            | Self::AddressShared { .. }
            | Self::ApiAddressShared(_)
            | Self::OtherCluster { .. }
            | Self::OlderData { .. } => {
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
            Self::Superseded | Self::PostBroke(_) | Self::PostRefused(_) | Self::PostUnready(_) => {
                anew(task, None)
            }
            Self::Older { .. } | Self::OtherKeys => steps::list(task),
        }
    }
}
