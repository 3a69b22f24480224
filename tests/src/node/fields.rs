//! The downward API: fields of a pod as text.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// The value of `path`, as environment variables and downward API volumes name it; None if the node does not know it.
/// A label or annotation that is not there is empty, as with a kubelet.
pub(super) fn value(pod: &Pod, ip: Ipv4Addr, path: &str) -> Option<String> {
    let spec = pod.spec.as_ref();
    match path {
        "metadata.name" => Some(pod.name_any()),
        "metadata.namespace" => pod.namespace(),
        "metadata.uid" => pod.uid(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" | "status.podIPs" => Some(ip.to_string()),
        "status.hostIP" | "status.hostIPs" => Some(Ipv4Addr::LOCALHOST.to_string()),
        _ => keyed(path, "metadata.annotations", pod.annotations())
            .or_else(|| keyed(path, "metadata.labels", pod.labels())),
    }
}

fn keyed(path: &str, field: &str, map: &BTreeMap<String, String>) -> Option<String> {
    let key = path.strip_prefix(field)?.strip_prefix("['")?.strip_suffix("']")?;
    Some(map.get(key).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_and_labels_are_named_by_key() {
        let mut pod = Pod::default();
        pod.annotations_mut().insert("openbao.org/task".into(), "{}".into());
        pod.labels_mut().insert("app".into(), "x".into());
        let value = |path: &str| value(&pod, Ipv4Addr::LOCALHOST, path);
        assert_eq!(value("metadata.annotations['openbao.org/task']").as_deref(), Some("{}"));
        assert_eq!(value("metadata.annotations['absent']").as_deref(), Some(""));
        assert_eq!(value("metadata.labels['app']").as_deref(), Some("x"));
        assert_eq!(value("metadata.generation"), None);
    }
}
