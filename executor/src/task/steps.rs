//! What to do afterwards, as commands to copy.

use archive::Summary;
use url::Url;

/// After a restore with other keys.
pub(super) fn other_keys(summary: &Summary) -> Vec<String> {
    let seal = &summary.seal;
    if seal.kind == "shamir" {
        vec![format!(
            "bao operator unseal   # each server, with {} of the {} unseal keys of the snapshot's cluster; this cluster's own no longer fit",
            seal.secret_threshold, seal.secret_shares
        )]
    } else {
        vec![format!(
            "# Give each server the seal {} with the key of the snapshot's cluster, then restart it; this cluster's own no longer fits.",
            seal.kind
        )]
    }
}

/// Standbys keep policies and mounts of before until they are restarted: one by one, the leader last.
pub(super) fn restart(addresses: &[String], leader: &str) -> Vec<String> {
    if addresses.len() < 2 {
        return Vec::new();
    }
    let standbys = addresses.iter().filter(|address| *address != leader).map(|address| (address, "standby"));
    standbys
        .chain([(&leader.to_owned(), "leader, last")])
        .map(|(address, role)| {
            pod(address).map_or_else(
                || format!("# Restart {address} ({role}), then wait until it is unsealed."),
                |(namespace, pod)| {
                    format!("kubectl --namespace {namespace} delete pod {pod}   # {role}; then wait until it is Ready")
                },
            )
        })
        .collect()
}

/// A server that sealed itself on a restore that was not applied holds data of its own.
pub(super) fn diverged(sealed: &[String]) -> Vec<String> {
    sealed
        .iter()
        .flat_map(|address| {
            [
                format!("# Do not unseal {address}: its data may have diverged. Remove it from raft, wipe its volume, let it join again:"),
                format!(
                    "bao operator raft remove-peer {}",
                    pod(address).map_or_else(|| "NODE_ID".to_owned(), |(_, pod)| pod)
                ),
            ]
        })
        .collect()
}

/// While nobody knows.
pub(super) fn unknown(addresses: &[String]) -> Vec<String> {
    addresses.iter().map(|address| format!("bao status -address={address}")).collect()
}

/// Namespace and name of the pod behind `<pod>.<service>.<namespace>.svc`.
fn pod(address: &str) -> Option<(String, String)> {
    let url = Url::parse(address).ok()?;
    let mut labels = url.host_str()?.split('.');
    let (pod, _, namespace, svc) = (labels.next()?, labels.next()?, labels.next()?, labels.next()?);
    (svc == "svc").then(|| (namespace.to_owned(), pod.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: the leader is restarted first, and a standby with policies of before takes over.
    #[test]
    fn standbys_first_and_the_leader_last() {
        let address = |node| format!("https://bao-{node}.bao.security.svc:8200");
        let addresses: Vec<String> = (0..3).map(address).collect();
        let steps = restart(&addresses, &addresses[1]);
        let pods: Vec<&str> = steps.iter().map(|step| step.split(' ').nth(5).unwrap()).collect();
        assert_eq!(pods, ["bao-0", "bao-2", "bao-1"], "{steps:?}");
        assert!(steps.iter().all(|step| step.starts_with("kubectl --namespace security delete pod ")));
        assert!(restart(&addresses[..1], &addresses[0]).is_empty());
        assert!(restart(&["https://1.2.3.4:8200".to_owned(), address(0)], &address(0))[0].starts_with('#'));
    }
}
