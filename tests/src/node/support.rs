//! What the node cannot do, said in words of the pod's owner.

use std::fmt;
use std::io;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Probe, Volume};

/// Why something of a pod does not go on now. It is shown in the pod's status and tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem(pub(super) String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<kube::Error> for Problem {
    fn from(error: kube::Error) -> Self {
        Self(format!("the API server answered: {error}"))
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self(format!("the node's disk: {error}"))
    }
}

/// The first thing in the pod that this node would have to ignore; such a pod is failed rather than run differently.
pub(super) fn unsupported(spec: &PodSpec) -> Option<String> {
    if spec.init_containers.as_ref().is_some_and(|containers| !containers.is_empty()) {
        return Some("initContainers are not supported by this node".into());
    }
    spec.containers
        .iter()
        .find_map(unsupported_in_container)
        .or_else(|| spec.volumes.iter().flatten().find_map(unsupported_volume))
}

fn unsupported_in_container(container: &Container) -> Option<String> {
    let name = &container.name;
    if container.lifecycle.is_some() {
        return Some(format!("container {name}: lifecycle hooks are not supported by this node"));
    }
    if container.env_from.as_ref().is_some_and(|sources| !sources.is_empty()) {
        return Some(format!("container {name}: envFrom is not supported by this node"));
    }
    let probes = [&container.startup_probe, &container.readiness_probe, &container.liveness_probe];
    let unknown = |probe: &&Probe| probe.http_get.is_none() && probe.tcp_socket.is_none();
    probes
        .into_iter()
        .flatten()
        .find(unknown)
        .map(|_| format!("container {name}: this node has httpGet and tcpSocket probes only"))
}

fn unsupported_volume(volume: &Volume) -> Option<String> {
    let name = &volume.name;
    if let Some(host_path) = &volume.host_path {
        return (host_path.type_.as_deref() != Some("DirectoryOrCreate"))
            .then(|| format!("volume {name}: this node has hostPath of type DirectoryOrCreate only"));
    }
    let known = volume.empty_dir.is_some()
        || volume.secret.is_some()
        || volume.config_map.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some();
    (!known).then(|| {
        format!(
            "volume {name}: this node has emptyDir, hostPath, secret, configMap, projected and downwardAPI only"
        )
    })
}

/// The phase from which a pod never comes back.
pub(super) fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(spec: &serde_json::Value) -> Option<String> {
        unsupported(&serde_json::from_value(spec.clone()).unwrap())
    }

    #[test]
    fn what_would_be_ignored_is_named() {
        let container = |extra: serde_json::Value| {
            let mut container = serde_json::json!({"name": "c"});
            container.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            serde_json::json!({"containers": [container]})
        };
        let exec = serde_json::json!({"livenessProbe": {"exec": {"command": ["true"]}}});
        assert!(judge(&container(exec)).unwrap().contains("httpGet and tcpSocket"));
        let tcp = serde_json::json!({"livenessProbe": {"tcpSocket": {"port": 1}}});
        assert_eq!(judge(&container(tcp)), None);
        let claim = serde_json::json!({"containers": [], "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "d"}}]});
        assert!(judge(&claim).unwrap().starts_with("volume data"));
        let init = serde_json::json!({"containers": [], "initContainers": [{"name": "i"}]});
        assert!(judge(&init).unwrap().starts_with("initContainers"));
    }
}
