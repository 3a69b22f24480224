//! Which address forwards to which pods: what a kube-proxy computes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::support::is_over;

/// Annotation of a Service without a selector: where it leads, as `ip:port`, by commas. The API server takes no loopback
/// address in an `EndpointSlice`.
pub const ANNOTATION: &str = "node.local/endpoints";

/// Addresses to listen on, with the pods behind each; only those with a pod.
pub(super) type Routes = BTreeMap<SocketAddr, Vec<SocketAddr>>;

pub(super) fn routes(services: &[&Service], pods: &[&Pod]) -> Routes {
    let mut routes = Routes::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let Some(ip) = spec.cluster_ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok()) else { continue };
        let unready = spec.publish_not_ready_addresses.unwrap_or_default();
        for port in spec.ports.iter().flatten() {
            let Ok(number) = u16::try_from(port.port) else { continue };
            let behind = selected(service, pods).filter(|pod| unready || is_ready(pod));
            let backends: Vec<_> =
                behind.filter_map(|pod| backend(pod, port)).chain(listed(service)).collect();
            if !backends.is_empty() {
                routes.insert(SocketAddr::new(ip, number), backends);
            }
        }
    }
    routes
}

/// Pods that a Service selects and that are not over. A Service without a selector selects none.
pub(super) fn selected<'a>(service: &'a Service, pods: &'a [&Pod]) -> impl Iterator<Item = &'a Pod> {
    let selector =
        service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).filter(|map| !map.is_empty());
    pods.iter().copied().filter(move |pod| {
        let labels = pod.labels();
        pod.namespace() == service.namespace()
            && !is_over(pod)
            && selector.is_some_and(|map| map.iter().all(|(key, value)| labels.get(key) == Some(value)))
    })
}

/// Where a Service leads beside pods.
pub(super) fn listed(service: &Service) -> impl Iterator<Item = SocketAddr> {
    let text = service.annotations().get(ANNOTATION).map(String::as_str).unwrap_or_default();
    text.split(',').filter_map(|address| address.parse().ok())
}

/// Ready, and not on its way out.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

fn backend(pod: &Pod, port: &ServicePort) -> Option<SocketAddr> {
    let ip = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let number = port.target_port.as_ref().map_or(Some(port.port), |target| port_number(pod, target))?;
    Some(SocketAddr::new(ip, number.try_into().ok()?))
}

fn port_number(pod: &Pod, target: &IntOrString) -> Option<i32> {
    match target {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let ports =
                pod.spec.as_ref()?.containers.iter().flat_map(|container| container.ports.iter().flatten());
            ports.into_iter().find(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ip: &str, ready: &str, extra: &serde_json::Value) -> Pod {
        let mut metadata =
            serde_json::json!({"name": ip, "namespace": "n", "labels": {"app": "w", "more": "x"}});
        metadata.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        serde_json::from_value(serde_json::json!({"metadata": metadata,
            "spec": {"containers": [{"name": "c", "ports": [{"name": "https", "containerPort": 8443}]}]},
            "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}))
        .unwrap()
    }

    fn service(target: &serde_json::Value) -> Service {
        serde_json::from_value(serde_json::json!({"metadata": {"name": "w", "namespace": "n"},
            "spec": {"clusterIP": "127.96.0.9", "selector": {"app": "w"},
                "ports": [{"port": 9443, "targetPort": target}]}}))
        .unwrap()
    }

    #[test]
    fn only_ready_pods_that_stay_are_behind_a_service() {
        let none = serde_json::json!({});
        let going = serde_json::json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let pods = [
            pod("127.97.0.1", "True", &none),
            pod("127.97.0.2", "False", &none),
            pod("127.97.0.3", "True", &going),
        ];
        let routes = routes(&[&service(&"https".into())], &pods.iter().collect::<Vec<_>>());
        let expected: Routes =
            [("127.96.0.9:9443".parse().unwrap(), vec!["127.97.0.1:8443".parse().unwrap()])].into();
        assert_eq!(routes, expected);
    }

    #[test]
    fn without_a_pod_nothing_listens() {
        assert!(routes(&[&service(&1.into())], &[]).is_empty());
    }

    #[test]
    fn a_service_leads_where_its_annotation_says() {
        let mut service = service(&1.into());
        service.annotations_mut().insert(ANNOTATION.into(), "127.98.0.1:8200,127.98.0.2:8200".into());
        let behind = ["127.98.0.1:8200", "127.98.0.2:8200"].map(|address| address.parse().unwrap());
        assert_eq!(routes(&[&service], &[]), [("127.96.0.9:9443".parse().unwrap(), behind.to_vec())].into());
    }
}
