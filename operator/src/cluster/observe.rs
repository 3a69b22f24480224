//! Reads a cluster and the owner of its lock. Every read goes to the API server, none to a watch cache.

use crate::restore::{Reader, RestoreError};
use api::OpenBaoCluster;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::Api;
use plan::cluster::Observed;

/// What one look found.
pub(super) struct Look {
    pub(super) seen: Observed,
    /// The ticket of the lock's owner as it was read, for a write over exactly that.
    pub(super) ticket: Option<Lease>,
}

/// Looks at a cluster; none when it is gone.
pub(super) async fn look(client: &Client, namespace: &str, name: &str) -> Result<Option<Look>, RestoreError> {
    let clusters = Api::<OpenBaoCluster>::namespaced(client.clone(), namespace);
    let Some(cluster) = clusters.get_opt(name).await? else { return Ok(None) };
    let mut seen = Observed { cluster, owner: None };
    let Some(holder) = seen.holder() else { return Ok(Some(Look { seen, ticket: None })) };
    let (owner, ticket) = Reader { client, namespace }.owner(&holder).await?;
    seen.owner = owner;
    Ok(Some(Look { seen, ticket }))
}
