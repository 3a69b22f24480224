//! By what a restore is proved: which OpenBao it is, two markers, and what the claim of a restore leaves for whoever asks
//! afterwards.

use super::Servers;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// Which OpenBao it is, as its leader says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Of the data: a restore replaces it by that of the cluster that the snapshot was taken of.
    pub cluster_id: String,
    /// Since when the leader is active, in its own words.
    pub active_time: String,
    /// Index of the raft log that the leader has applied. It falls only where volumes are put back.
    pub raft_index: u64,
}

/// A wrapping token that lives in the data of one snapshot and nowhere else: the backup consumed it in the live cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotMarker {
    /// It opens nothing, and is looked up without a credential.
    pub token: String,
    /// When it was made, by the clock of the leader that made it.
    pub created: Time,
    /// When it goes by itself, by the same clock.
    pub expires: Time,
}

/// By what a cluster proves that its data are those of a snapshot, as the manifest has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Cluster id of the data in the snapshot.
    pub cluster_id: String,
    /// The snapshot's marker.
    pub marker: SnapshotMarker,
}

/// What a check saw of the servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Which OpenBao it was.
    pub identity: Identity,
    /// A wrapping token that the check made. Where it is gone, somebody has replaced the data since.
    pub marker: String,
    /// When the check ended, by the API server's clock.
    pub at: Time,
}

/// What a restore writes to its ticket in its claim, so that anybody can prove afterwards whether it was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The request's marker: a wrapping token made on the leader before the POST. Any restore wipes it.
    pub marker: String,
    /// When it goes by itself, by the leader's clock.
    pub expires: Time,
    /// By what the data of the snapshot are known; absent where its manifest does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Address of the leader that the snapshot is sent to.
    pub leader: String,
    /// Which OpenBao that was, right before the claim.
    pub identity: Identity,
    /// From when on no POST can be on its way, by the API server's clock.
    pub nothing_after: Time,
}

/// The annotation [`crate::names::CLAIM`] of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claimed {
    /// What the claim says.
    #[serde(flatten)]
    pub claim: Claim,
    /// The servers at that time: proofs ask these, whatever the cluster says later.
    pub servers: Servers,
}

/// How a POST ended whose tail was sent, as its sender saw it: the annotation [`crate::names::ANSWER`] of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// What was read of an answer.
    pub answer: Answer,
    /// The same in words, as part of a sentence.
    pub said: String,
    /// When it was over, at the latest, by the API server's clock.
    pub at: Time,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// 204, on the connection of the POST.
    Acknowledged,
    /// OpenBao's own refusal, of a kind that comes before anything is restored.
    Refused,
    /// Anything else, or no answer.
    Unclear,
}
