//! What a backup writes about its snapshot once it is whole: a small JSON object beside it.

use crate::summary::Summary;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Version of the format; another one is not read.
const VERSION: u64 = 1;

/// The manifest of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    v: u64,
    /// Bytes of the object.
    pub size: u64,
    /// SHA-256 of the object, hexadecimal.
    pub sha256: String,
    /// Raft index of its last entry.
    pub index: u64,
    /// Raft term of that entry.
    pub term: u64,
    /// Newest version of OpenBao that ever ran on these data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_version: Option<String>,
    /// Kind of seal.
    pub seal_type: String,
    /// SHA-256 of the record `core/hsm/barrier-unseal-keys`, hexadecimal.
    pub barrier_keys_sha256: String,
    /// Which cluster the snapshot is of, as `sys/health` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// By what the data of the snapshot are known once they are restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<ManifestMarker>,
}

/// A wrapping token that lives in the data of the snapshot, and was consumed in the cluster that it was taken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestMarker {
    /// It opens nothing, and is looked up without a credential.
    pub token: String,
    /// When it was made, by the clock of the leader that made it.
    pub creation_time: Timestamp,
    /// For how long from then on it can be found.
    pub ttl_seconds: u32,
}

impl ManifestMarker {
    /// When it goes by itself, by the clock of the leader that made it.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        let ttl = SignedDuration::from_secs(self.ttl_seconds.into());
        self.creation_time.checked_add(ttl).unwrap_or(Timestamp::MAX)
    }
}

/// Why bytes are no manifest.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// No JSON, or without a field that every manifest has.
    #[error("it is no manifest of a backup ({0})")]
    Unreadable(#[from] serde_json::Error),
    /// Written by another release.
    #[error("its version is {0}, and this release reads {VERSION}")]
    Version(u64),
}

/// One thing in which a snapshot is not what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Field of the manifest.
    pub field: &'static str,
    /// What the manifest says.
    pub listed: String,
    /// What the snapshot is.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} is {}, not {}", self.field, self.found, self.listed)
    }
}

impl Manifest {
    /// What is to be written about a snapshot of this cluster, with this marker in its data.
    #[must_use]
    pub fn of(snapshot: &Summary, cluster_id: Option<String>, marker: Option<ManifestMarker>) -> Self {
        Self {
            v: VERSION,
            size: snapshot.object_size,
            sha256: snapshot.sha256.clone(),
            index: snapshot.index,
            term: snapshot.term,
            newest_version: snapshot.newest_version.as_ref().map(ToString::to_string),
            seal_type: snapshot.seal.kind.clone(),
            barrier_keys_sha256: snapshot.barrier_keys_sha256.clone(),
            cluster_id,
            marker,
        }
    }

    /// The object that is stored.
    ///
    /// # Errors
    /// None that could be named: every field is a text or a number.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        Ok(serde_json::to_vec_pretty(self)?)
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is none of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.v == VERSION { Ok(manifest) } else { Err(ManifestError::Version(manifest.v)) }
    }

    /// Everything in which the snapshot is not what this says. Cluster and marker are not in the snapshot in clear text.
    #[must_use]
    pub fn differences(&self, snapshot: &Summary) -> Vec<Difference> {
        let newest = |version: Option<String>| version.unwrap_or_else(|| "unknown".to_owned());
        [
            ("size", self.size.to_string(), snapshot.object_size.to_string()),
            ("sha256", self.sha256.to_ascii_lowercase(), snapshot.sha256.clone()),
            ("index", self.index.to_string(), snapshot.index.to_string()),
            ("term", self.term.to_string(), snapshot.term.to_string()),
            (
                "newestVersion",
                newest(self.newest_version.clone()),
                newest(snapshot.newest_version.as_ref().map(ToString::to_string)),
            ),
            ("sealType", self.seal_type.clone(), snapshot.seal.kind.clone()),
            (
                "barrierKeysSha256",
                self.barrier_keys_sha256.to_ascii_lowercase(),
                snapshot.barrier_keys_sha256.clone(),
            ),
        ]
        .into_iter()
        .filter(|(_, listed, found)| listed != found)
        .map(|(field, listed, found)| Difference { field, listed, found })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verifier;
    use serde_json::{Value, json};

    fn snapshot() -> Summary {
        let mut verifier = Verifier::new();
        verifier.push(include_bytes!("../fixtures/openbao-2.7.2.snap")).unwrap();
        verifier.finish().unwrap()
    }

    fn written(snapshot: &Summary) -> Value {
        json!({
            "v": 1, "size": snapshot.object_size, "sha256": snapshot.sha256, "index": snapshot.index,
            "term": snapshot.term, "newestVersion": "2.7.2", "sealType": "shamir",
            "barrierKeysSha256": snapshot.barrier_keys_sha256, "clusterId": "c", "more": true
        })
    }

    fn read(manifest: &Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(manifest.to_string().as_bytes())
    }

    /// Bug: a field of the manifest that nobody compares.
    #[test]
    fn each_field_is_held_against_the_snapshot() {
        let snapshot = snapshot();
        let good = written(&snapshot);
        let manifest = read(&good).unwrap();
        assert_eq!((manifest.differences(&snapshot), manifest.cluster_id.as_deref()), (vec![], Some("c")));
        for field in ["size", "sha256", "index", "term", "newestVersion", "sealType", "barrierKeysSha256"] {
            let mut bent = good.clone();
            bent[field] = if bent[field].is_u64() { json!(7) } else { json!("other") };
            let found = read(&bent).unwrap().differences(&snapshot);
            assert_eq!(found.iter().map(|one| one.field).collect::<Vec<_>>(), [field]);
        }
        let upper = good["sha256"].as_str().unwrap().to_uppercase();
        let mut same = good.clone();
        same["sha256"] = json!(upper);
        assert_eq!(read(&same).unwrap().differences(&snapshot), vec![]);
    }

    /// Bug: what a backup writes is not what a check reads, and every backup is refused.
    #[test]
    fn what_is_written_is_what_is_read() {
        let snapshot = snapshot();
        let marker = ManifestMarker {
            token: "s.x".to_owned(),
            creation_time: "2026-12-01T04:15:34.123456789Z".parse().unwrap(),
            ttl_seconds: 604_800,
        };
        for (cluster, marker) in [(None, None), (Some("c".to_owned()), Some(marker))] {
            let written = Manifest::of(&snapshot, cluster.clone(), marker.clone());
            let read = Manifest::parse(&written.to_bytes().unwrap()).unwrap();
            assert_eq!((&read, &read.cluster_id, &read.marker), (&written, &cluster, &marker));
            assert_eq!(read.differences(&snapshot), vec![]);
        }
    }

    /// Bug: a manifest of an older backup is not read, or the marker of a newer one is read by other names than it has.
    #[test]
    fn a_marker_is_read_where_there_is_one() {
        let mut manifest = written(&snapshot());
        assert_eq!(read(&manifest).unwrap().marker, None);
        manifest["marker"] =
            json!({ "token": "s.x", "creationTime": "2026-12-01T04:15:34Z", "ttlSeconds": 604_800 });
        let marker = read(&manifest).unwrap().marker.unwrap();
        assert_eq!(
            (marker.token.as_str(), marker.expires().to_string()),
            ("s.x", "2026-12-08T04:15:34Z".to_owned())
        );
        manifest["marker"]["creationTime"] = json!("9999-12-30T00:00:00Z");
        assert_eq!(read(&manifest).unwrap().marker.unwrap().expires(), Timestamp::MAX);
    }

    #[test]
    fn what_is_no_manifest_is_told() {
        for bytes in [&b""[..], b"{}", b"[]", b"{\"v\":1}"] {
            assert!(matches!(Manifest::parse(bytes), Err(ManifestError::Unreadable(_))));
        }
        let mut newer = written(&snapshot());
        newer["v"] = json!(2);
        assert!(matches!(read(&newer), Err(ManifestError::Version(2))));
    }
}
