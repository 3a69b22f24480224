//! What a client sees of the API server, and what counts as its writing.

use api::names;
use hyper::Method;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;

/// API groups whose objects a client that watches all namespaces is shown of one only.
const SCOPED: [&str; 2] = ["openbao.org", "batch"];

/// The path by which the API server is asked: a collection of all namespaces becomes that of one.
pub(super) fn scoped(path: &str, namespace: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["apis", group, version, plural] if SCOPED.contains(group) => {
            format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
        }
        _ => path.to_owned(),
    }
}

/// Whether somebody looks at one OpenBaoRestore.
pub(super) fn reads_a_restore(method: &Method, path: &str) -> bool {
    let name = path.split_once("/openbaorestores/").map(|(_, name)| name);
    *method == Method::GET && name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

/// What a request writes in the namespace, as `PATCH openbaorestores/status`. Events tell, and decide nothing.
pub(super) fn write_in(method: &Method, path: &str, namespace: &str) -> Option<String> {
    if ![Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method) {
        return None;
    }
    let (_, below) = path.split_once(&format!("/namespaces/{namespace}/"))?;
    let mut parts = below.split('/');
    let plural = parts.next().filter(|plural| *plural != "events")?;
    let what = parts.nth(1).map_or_else(|| plural.to_owned(), |sub| format!("{plural}/{sub}"));
    Some(format!("{method} {what}"))
}

/// Whether a ticket of a restore is written with a holder that is a pod.
pub(super) fn claims(body: &[u8]) -> bool {
    let Ok(lease) = serde_json::from_slice::<Lease>(body) else { return false };
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    lease.annotations().contains_key(names::CLAIM) && !holder.is_empty() && !holder.starts_with("operator/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bug: two operators beside each other work on the same requests.
    #[test]
    fn collections_of_all_namespaces_become_one() {
        for (path, expected) in [
            (
                "/apis/openbao.org/v1alpha1/openbaorestores",
                "/apis/openbao.org/v1alpha1/namespaces/n/openbaorestores",
            ),
            ("/apis/batch/v1/jobs", "/apis/batch/v1/namespaces/n/jobs"),
            ("/apis/batch/v1/namespaces/n/jobs/j", "/apis/batch/v1/namespaces/n/jobs/j"),
            (
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            ),
            ("/api/v1/namespaces/n", "/api/v1/namespaces/n"),
        ] {
            assert_eq!(scoped(path, "n"), expected);
        }
    }

    /// Bug: a line that is to be cut at the claim is cut at a beat before it.
    #[test]
    fn a_claim_has_a_pod_for_its_holder() {
        let lease = |holder: &str| {
            let annotations = serde_json::json!({names::CLAIM: "{}"});
            let metadata = serde_json::json!({"name": "restore-r", "annotations": annotations});
            serde_json::json!({"metadata": metadata, "spec": {"holderIdentity": holder}}).to_string()
        };
        assert!(claims(lease("4f0c").as_bytes()));
        for other in [lease(""), lease("operator/DeadlineExceeded"), "{}".to_owned(), String::new()] {
            assert!(!claims(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn writes_in_the_namespace_count_and_events_do_not() {
        let written = |method: Method, path: &str| write_in(&method, path, "n");
        let leases = "/apis/coordination.k8s.io/v1/namespaces/n/leases/check-r";
        assert_eq!(written(Method::PUT, leases).as_deref(), Some("PUT leases"));
        let status = "/apis/openbao.org/v1alpha1/namespaces/n/openbaorestores/r/status";
        assert_eq!(written(Method::PATCH, status).as_deref(), Some("PATCH openbaorestores/status"));
        assert_eq!(written(Method::POST, "/apis/batch/v1/namespaces/n/jobs").as_deref(), Some("POST jobs"));
        assert_eq!(written(Method::GET, leases), None);
        assert_eq!(written(Method::POST, "/apis/events.k8s.io/v1/namespaces/n/events"), None);
        assert_eq!(written(Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/other/leases/l"), None);
    }
}
