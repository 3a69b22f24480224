//! Where snapshots live, and which Secrets open the way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Secret of the request's own namespace. `namespace` exists so that another one can be refused by name: the API
/// server would silently prune a field that the schema does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret.
    pub name: String,
    /// Namespace of the Secret; only the request's own is allowed, so it can be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Key inside the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A Secret that holds an OpenBao token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenReference {
    /// Name of the Secret.
    pub name: String,
    /// Namespace of the Secret; only the request's own is allowed, so it can be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Key inside the Secret that holds the token.
    #[serde(default = "token_key")]
    pub key: String,
}

/// An object store and a place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageTarget {
    /// Kind of object store: s3, gcs or azure.
    #[serde(default = "provider")]
    pub provider: String,
    /// URL of the store; without one, the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Bucket (s3, gcs), or container (azure) unless azure.container names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Region of an S3 bucket.
    #[serde(default = "region")]
    pub region: String,
    /// Put before the keys of new backups. A restore names its whole key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// Address an S3 bucket as a path of the endpoint, not as a host name under it.
    #[serde(default)]
    pub use_path_style: bool,
    /// Secret with the credentials of the store; without one, the cloud's workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretReference>,
    /// IAM role that the workload identity assumes (s3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Bytes of one part of an upload or of one ranged read; at least 5 MiB.
    #[serde(default = "part_size")]
    pub part_size: i64,
    /// Parts in flight at once, 1 to 64.
    #[serde(default = "concurrency")]
    pub concurrency: i64,
    /// What only Google Cloud Storage needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsTarget>,
    /// What only Azure Blob Storage needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureTarget>,
    /// Do not verify the certificate of the store. Snapshots and credentials can then be read on the way.
    #[serde(default)]
    pub insecure_skip_verify: bool,
}

impl StorageTarget {
    /// What the key of every backup of a cluster begins with, with `/` at its end. Slashes around the prefix do not count.
    #[must_use]
    pub fn backup_folder(&self, namespace: &str, cluster: &str) -> String {
        match self.path_prefix.as_deref().map(|prefix| prefix.trim_matches('/')) {
            None | Some("") => format!("{namespace}/{cluster}/"),
            Some(prefix) => format!("{prefix}/{namespace}/{cluster}/"),
        }
    }
}

/// What only Google Cloud Storage needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcsTarget {
    /// Project that is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// What only Azure Blob Storage needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureTarget {
    /// Storage account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_account: Option<String>,
    /// Container; without one, bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

fn token_key() -> String {
    "token".to_owned()
}

fn provider() -> String {
    "s3".to_owned()
}

fn region() -> String {
    "us-east-1".to_owned()
}

/// 10 MiB: the reference operator's default, twice the smallest part that S3 takes.
fn part_size() -> i64 {
    10 * 1024 * 1024
}

/// 3: with 10 MiB parts, 40 MiB of buffers at the most.
fn concurrency() -> i64 {
    3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: two clusters share a folder, and retention of one deletes backups of the other.
    #[test]
    fn each_cluster_has_its_folder() {
        let mut target: StorageTarget = serde_json::from_str("{}").unwrap();
        let folder = |target: &StorageTarget| target.backup_folder("security", "prod");
        assert_eq!(folder(&target), "security/prod/");
        for (prefix, begins) in [("/", ""), ("clusters", "clusters/"), ("/a/b/", "a/b/")] {
            target.path_prefix = Some(prefix.to_owned());
            assert_eq!(folder(&target), format!("{begins}security/prod/"));
        }
    }
}
