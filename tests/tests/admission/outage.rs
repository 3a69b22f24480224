//! With the webhook's pods down nothing gets stuck, and nothing gets in.

use crate::support::{RELEASE, alone, cluster, good};
use std::time::Duration;
use tests::harness::Output;

const DEPLOYMENT: &str = "deployment/openbao-recovery-webhook";

fn kubectl(arguments: &[&str], manifest: Option<&str>) -> Output {
    cluster().kubectl(arguments, manifest)
}

fn must(arguments: &[&str], manifest: Option<&str>) {
    let output = kubectl(arguments, manifest);
    assert_eq!(output.code, 0, "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
}

fn scale(replicas: &str) {
    must(&["scale", DEPLOYMENT, "-n", RELEASE, "--replicas", replicas], None);
}

#[tokio::test]
async fn what_exists_stays_free_and_new_requests_are_refused() {
    let _guard = alone().await;
    let namespace = cluster().namespace("outage");
    let manifest = good(&namespace, "r").to_string();
    must(&["apply", "-f", "-"], Some(&manifest));

    scale("0");
    let selector = "app.kubernetes.io/component=webhook";
    cluster()
        .eventually("the webhook's pods are gone", Duration::from_mins(1), async || {
            let pods = kubectl(&["get", "pods", "-n", RELEASE, "-l", selector, "-o", "name"], None);
            (pods.code == 0 && pods.stdout.trim().is_empty()).then_some(())
        })
        .await;

    must(&["label", "openbaorestore", "r", "-n", &namespace, "team=security"], None);
    let finalizer = r#"{"metadata":{"finalizers":["example.org/held"]}}"#;
    must(&["patch", "openbaorestore", "r", "-n", &namespace, "--type=merge", "-p", finalizer], None);
    must(&["apply", "-f", "-"], Some(&manifest));
    must(&["apply", "--server-side", "-f", "-"], Some(&manifest));
    let refused = kubectl(&["create", "-f", "-"], Some(&good(&namespace, "new").to_string()));
    assert_ne!(refused.code, 0, "a new request got in with nobody to judge it");
    assert!(refused.stderr.contains("failed calling webhook"), "{}", refused.stderr);
    must(&["delete", "openbaorestore", "r", "-n", &namespace, "--wait=false"], None);
    let free = r#"{"metadata":{"finalizers":null}}"#;
    must(&["patch", "openbaorestore", "r", "-n", &namespace, "--type=merge", "-p", free], None);
    let gone = kubectl(&["get", "openbaorestore", "r", "-n", &namespace], None);
    assert!(gone.stderr.contains("NotFound"), "{}{}", gone.stdout, gone.stderr);

    scale("2");
    must(&["rollout", "status", DEPLOYMENT, "-n", RELEASE, "--timeout=60s"], None);
    must(&["create", "-f", "-"], Some(&good(&namespace, "new").to_string()));
}
