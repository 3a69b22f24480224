//! What to do next, as commands to copy.

use api::names;
use api::task::{Task, TaskKind};
use archive::Summary;
use url::Url;

/// For a request that has to be written anew, or a backup that has to be made.
pub(crate) fn new_request(task: &Task, field: Option<&str>) -> String {
    let name = &task.request.name;
    if task.kind == TaskKind::Backup {
        return again(task, field);
    }
    let correct = field.map_or_else(String::new, |field| format!("correct {field}, "));
    format!(
        "{} get openbaorestore {name} --output=yaml > {name}.yaml   # {correct}give it a new name, then kubectl create it",
        kubectl(task)
    )
}

fn again(task: &Task, field: Option<&str>) -> String {
    let (kubectl, name) = (kubectl(task), &task.request.name);
    let first = field.map_or_else(String::new, |field| {
        format!("   # after `{kubectl} edit openbaocluster {name}` has corrected {field}")
    });
    // A Job from the CronJob would need a name that is free, and a template that has followed the edit.
    let trigger = names::TRIGGER_BACKUP;
    format!("{kubectl} annotate openbaocluster {name} --overwrite {trigger}=$(date +%s){first}")
}

/// What policies and roles in OpenBao are called in the examples.
pub(crate) fn purpose(task: &Task) -> &'static str {
    if task.kind == TaskKind::Backup { "backup" } else { "restore" }
}

/// For credentials that may do too little.
pub(crate) fn policy(task: &Task) -> String {
    let purpose = purpose(task);
    format!("bao policy write {purpose} deploy/examples/openbao-{purpose}-policy.hcl")
}

/// A command beside which a restore has another way out.
pub(crate) fn unless_forced(task: &Task, command: String) -> String {
    if task.force || task.kind == TaskKind::Backup {
        return command;
    }
    format!("{command}   # or a new request with force: true, which accepts a minority of such servers")
}

/// What the bucket has, where the key says that it should be.
pub(crate) fn list(task: &Task) -> String {
    let folder = task.key.rfind('/').map_or("", |end| &task.key[..=end]);
    format!("aws s3 ls {}{}", bucket(task, folder), endpoint(task))
}

/// What the bucket has under this key, and what becomes of it.
pub(crate) fn print(task: &Task, key: &str, pipe: &str) -> String {
    format!("aws s3 cp {} -{}{pipe}", bucket(task, key), endpoint(task))
}

fn bucket(task: &Task, key: &str) -> String {
    format!("s3://{}/{key}", task.target.bucket.as_deref().unwrap_or("BUCKET"))
}

fn endpoint(task: &Task) -> String {
    task.target.endpoint.as_ref().map_or_else(String::new, |url| format!(" --endpoint-url={url}"))
}

/// For a Secret of the store that lacks something.
pub(crate) fn store_secret(task: &Task) -> String {
    let name = task.target.credentials_secret_ref.as_ref().map_or("NAME", |secret| &secret.name);
    format!(
        "{0} create secret generic {name} --from-literal=accessKeyId=... --from-literal=secretAccessKey=... --dry-run=client --output=yaml | {0} apply --filename=-",
        kubectl(task)
    )
}

pub(crate) fn kubectl(task: &Task) -> String {
    format!("kubectl --namespace={}", task.request.namespace)
}

/// How a server is.
pub(crate) fn status(address: &str) -> String {
    format!("bao status -address={address}")
}

/// For listeners that cut a request too early.
pub(crate) fn read_timeout(setting: &str) -> String {
    format!(
        "http_read_timeout = \"{setting}\"   # in the listener of every server, then restart them, the leader last"
    )
}

/// After a restore with other keys.
pub(crate) fn other_keys(summary: &Summary) -> Vec<String> {
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

/// For a snapshot of another cluster, before it is restored.
pub(crate) fn other_cluster(cluster: &str) -> String {
    format!(
        "# Before it runs: keep the servers from the databases and clouds of cluster {cluster} (a NetworkPolicy on their egress), or expect its credentials to be revoked there."
    )
}

/// Standbys keep policies and mounts of before until they are restarted: one by one, the leader last.
pub(crate) fn restart(addresses: &[String], leader: &str) -> Vec<String> {
    if addresses.len() < 2 {
        return Vec::new();
    }
    let standbys = addresses.iter().filter(|address| *address != leader).map(|address| (address, "standby"));
    standbys
        .chain([(&leader.to_owned(), "leader, last")])
        .map(|(address, role)| restart_one(address, &format!("{role}; then wait until it is Ready")))
        .collect()
}

fn restart_one(address: &str, why: &str) -> String {
    pod(address).map_or_else(
        || format!("# Restart {address}: {why}."),
        |(namespace, pod)| format!("kubectl --namespace={namespace} delete pod {pod}   # {why}"),
    )
}

/// For a server that answers nothing any more.
pub(crate) fn restart_hung(address: &str) -> String {
    restart_one(address, "it answers nothing any more")
}

/// For a sealed server that may be unsealed. `kind` is that of its seal.
pub(crate) fn unseal(address: &str, kind: Option<&str>) -> String {
    let keys = "if the restore brought other keys, with those of the snapshot's cluster";
    if kind == Some("shamir") {
        format!("bao operator unseal -address={address}   # {keys}")
    } else {
        restart_one(address, &format!("it unseals itself; {keys}"))
    }
}

/// For a server that has got a snapshot that was not applied, and sealed itself, or may do so when it is back: it holds data of
/// its own.
pub(crate) fn diverged(address: &str, is_sealed: bool) -> Vec<String> {
    let node = pod(address).map_or_else(|| "NODE_ID".to_owned(), |(_, pod)| pod);
    let when = if is_sealed { "" } else { " if it comes back sealed" };
    vec![
        format!(
            "# Do not unseal {address}{when}: its data may have diverged. Remove it from raft, wipe its volume, let it join again:"
        ),
        format!("bao operator raft remove-peer {node}"),
    ]
}

/// For a server that may have diverged.
pub(crate) fn leave_sealed(address: &str) -> String {
    format!("# Do not unseal {address} before the outcome is known: its data may have diverged.")
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
    use crate::testing::task;

    /// Bug: the leader is restarted first, and a standby with policies of before takes over.
    #[test]
    fn standbys_first_and_the_leader_last() {
        let address = |node| format!("https://bao-{node}.bao.security.svc:8200");
        let addresses: Vec<String> = (0..3).map(address).collect();
        let steps = restart(&addresses, &addresses[1]);
        let pods: Vec<&str> = steps.iter().map(|step| step.split(' ').nth(4).unwrap()).collect();
        assert_eq!(pods, ["bao-0", "bao-2", "bao-1"], "{steps:?}");
        assert!(steps.iter().all(|step| step.starts_with("kubectl --namespace=security delete pod ")));
        assert!(restart(&addresses[..1], &addresses[0]).is_empty());
        assert!(restart(&["https://1.2.3.4:8200".to_owned(), address(0)], &address(0))[0].starts_with('#'));
    }

    #[test]
    fn commands_name_what_the_request_names() {
        let mut task = task(TaskKind::Check);
        task.key = "clusters/prod/a.snap".to_owned();
        let at = "--endpoint-url=http://127.0.0.1:1";
        assert_eq!(list(&task), format!("aws s3 ls s3://snapshots/clusters/prod/ {at}"));
        let printed = print(&task, &task.key, " | sha256sum");
        assert_eq!(printed, format!("aws s3 cp s3://snapshots/clusters/prod/a.snap - {at} | sha256sum"));
        assert!(
            store_secret(&task).starts_with("kubectl --namespace=security create secret generic storage ")
        );
        let anew = new_request(&task, Some("spec.source.key"));
        assert!(
            anew.contains("get openbaorestore a ") && anew.contains("correct spec.source.key,"),
            "{anew}"
        );
    }
}
