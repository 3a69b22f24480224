//! Which servers a cluster has.

use api::OpenBaoCluster;
use api::task::Servers;

/// Port of the servers' API where the cluster names no addresses.
const PORT: u16 = 8200;

/// Most servers that are named one by one: more do not fit a Task, which the executor then refuses.
const MOST_SERVERS: i64 = 100;

/// Each server of a cluster, as the cluster says or by its usual name.
pub(crate) fn servers(cluster: &OpenBaoCluster, name: &str, namespace: &str) -> Servers {
    let connection = cluster.spec.connection.clone().unwrap_or_default();
    let addresses = if connection.addresses.is_empty() {
        let servers = 0..cluster.spec.replicas.clamp(0, MOST_SERVERS);
        servers.map(|index| format!("https://{name}-{index}.{name}.{namespace}.svc:{PORT}")).collect()
    } else {
        connection.addresses
    };
    let replicas = usize::try_from(cluster.spec.replicas).unwrap_or_default();
    Servers { addresses, replicas, tls_server_name: connection.tls_server_name }
}
