//! Names of pods and Services: one `/etc/hosts` for all pods, in place of a DNS server.

use std::fmt::Write;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;

use super::services::{is_ready, listed, selected};

/// The text of the file. A name that stands for several addresses has several lines.
pub(super) fn render(pods: &[&Pod], services: &[&Service], api_server: IpAddr) -> String {
    let mut text = String::from("127.0.0.1 localhost\n");
    line(&mut text, &api_server.to_string(), "kubernetes.default");
    for service in services.iter().filter(|service| service.name_any() != "kubernetes") {
        let name = format!("{}.{}", service.name_any(), service.namespace().unwrap_or_default());
        let Some(spec) = &service.spec else { continue };
        match spec.cluster_ip.as_deref() {
            Some("None") => headless(&mut text, &name, service, pods),
            Some(ip) if !ip.is_empty() => line(&mut text, ip, &name),
            _ => {}
        }
    }
    text
}

fn headless(text: &mut String, name: &str, service: &Service, pods: &[&Pod]) {
    listed(service).for_each(|address| line(text, &address.ip().to_string(), name));
    let unready = service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses).unwrap_or_default();
    for pod in selected(service, pods).filter(|pod| unready || is_ready(pod)) {
        let (Some(status), Some(spec)) = (&pod.status, &pod.spec) else { continue };
        let Some(ip) = &status.pod_ip else { continue };
        line(text, ip, name);
        let subdomain = spec.subdomain.as_deref() == Some(&service.name_any());
        if let Some(hostname) = spec.hostname.as_ref().filter(|_| subdomain) {
            line(text, ip, &format!("{hostname}.{name}"));
        }
    }
}

fn line(text: &mut String, ip: &str, name: &str) {
    writeln!(text, "{ip} {name}.svc.cluster.local {name}.svc {name}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, ip: &str, ready: &str) -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name, "namespace": "n", "labels": {"app": "bao"}},
            "spec": {"containers": [], "hostname": name, "subdomain": "bao"},
            "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}))
        .unwrap()
    }

    fn service(name: &str, ip: &str, unready: bool) -> Service {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name, "namespace": "n"},
            "spec": {"clusterIP": ip, "selector": {"app": "bao"}, "publishNotReadyAddresses": unready}}))
        .unwrap()
    }

    fn lines(text: &str, name: &str) -> Vec<String> {
        let names = |line: &&str| line.split(' ').any(|word| word == name);
        text.lines().filter(names).filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    #[test]
    fn members_of_a_headless_service_have_names_before_they_are_ready_where_it_says_so() {
        let (ready, unready) = (pod("bao-0", "127.97.0.10", "True"), pod("bao-1", "127.97.0.11", "False"));
        let pods = [&ready, &unready];
        let api_server = [127, 0, 0, 1].into();
        let early = render(&pods, &[&service("bao", "None", true)], api_server);
        assert_eq!(lines(&early, "bao-1.bao.n.svc"), ["127.97.0.11"]);
        assert_eq!(lines(&early, "bao.n.svc.cluster.local"), ["127.97.0.10", "127.97.0.11"]);
        let late = render(&pods, &[&service("bao", "None", false)], api_server);
        assert!(lines(&late, "bao-1.bao.n.svc").is_empty());
        assert_eq!(lines(&late, "bao.n.svc"), ["127.97.0.10"]);
    }

    #[test]
    fn a_headless_service_has_the_addresses_of_its_annotation() {
        let mut service = service("bao", "None", false);
        let annotation = (super::super::ENDPOINTS.to_owned(), "127.98.0.1:1,127.98.0.2:1".to_owned());
        service.annotations_mut().extend([annotation]);
        let text = render(&[], &[&service], [127, 0, 0, 1].into());
        assert_eq!(lines(&text, "bao.n.svc"), ["127.98.0.1", "127.98.0.2"]);
    }

    #[test]
    fn a_service_has_its_own_address_and_so_has_the_api_server() {
        let text = render(&[], &[&service("web", "127.96.3.4", false)], [127, 0, 0, 1].into());
        assert_eq!(lines(&text, "web.n.svc"), ["127.96.3.4"]);
        assert_eq!(lines(&text, "kubernetes.default.svc"), ["127.0.0.1"]);
    }
}
