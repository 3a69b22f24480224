//! What every test of admission needs: the cluster, a namespace, a good request.

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, Status};
use serde_json::{Value, json};
use tests::harness::Cluster;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) const RELEASE: &str = "openbao-recovery";

static INSTALLATION: RwLock<()> = RwLock::const_new(());

pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(env!("CARGO_BIN_EXE_cluster"), "admission", "none")
}

/// Held by a test that needs the installation as the chart made it.
pub(crate) async fn undisturbed() -> RwLockReadGuard<'static, ()> {
    INSTALLATION.read().await
}

/// Held by a test that breaks or changes the installation.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    INSTALLATION.write().await
}

/// The installation with other values, until this goes.
pub(crate) struct Upgraded;

impl Upgraded {
    pub(crate) async fn with(values: &[&str]) -> Self {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/chart");
        let arguments =
            ["upgrade", RELEASE, chart, "-n", RELEASE, "--reuse-values", "--wait", "--timeout", "120s"];
        helm(&[&arguments[..], values].concat());
        let upgraded = Self;
        only_new_webhooks_answer().await;
        upgraded
    }

    pub(crate) async fn back(self) {
        drop(self);
        only_new_webhooks_answer().await;
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        helm(&["rollback", RELEASE, "-n", RELEASE, "--wait", "--timeout", "120s"]);
    }
}

fn helm(arguments: &[&str]) {
    let output = cluster().helm(arguments);
    assert_eq!(output.code, 0, "helm {arguments:?}: {}{}", output.stdout, output.stderr);
}

/// The API server keeps its connections to a pod that is ending, so an old answer may still come while there is one.
async fn only_new_webhooks_answer() {
    let selector = "app.kubernetes.io/component=webhook";
    let path = "jsonpath={range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}{\"\\n\"}{end}";
    cluster()
        .eventually("the old webhook pods are gone", std::time::Duration::from_mins(1), async || {
            let pods = cluster().kubectl(&["get", "pods", "-n", RELEASE, "-l", selector, "-o", path], None);
            let lines: Vec<&str> = pods.stdout.lines().collect();
            (lines.len() == 2 && lines.iter().all(|line| line.split(' ').nth(1) == Some(""))).then_some(())
        })
        .await;
}

/// A request that admission takes.
pub(crate) fn good(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1",
        "kind": "OpenBaoRestore",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "cluster": "prod-cluster",
            "jwtAuthRole": "openbao-operator-restore",
            "source": {
                "key": "clusters/prod/backup-2026-03-20.snap",
                "target": {
                    "endpoint": "https://s3.amazonaws.com",
                    "bucket": "openbao-backups",
                    "credentialsSecretRef": {"name": "s3-credentials"}
                }
            }
        }
    })
}

/// The good request with one field set, by JSON pointer below `spec`; `null` removes it.
pub(crate) fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let mut at = &mut object["spec"];
    for part in parent.split('/').filter(|part| !part.is_empty()) {
        at = &mut at[part];
    }
    if value.is_null() {
        at.as_object_mut().unwrap().remove(field);
    } else {
        at[field] = value;
    }
    object
}

pub(crate) fn restores(client: kube::Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &ApiResource::erase::<api::OpenBaoRestore>(&()))
}

/// Waits until the operator has told that there is no such cluster, and has put back what a replacement of the request
/// `r` dropped. Until then whoever sends a whole object may meet a newer one.
pub(crate) async fn settled(namespace: &str) {
    let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason} {.metadata.finalizers[0]}";
    cluster()
        .eventually("the operator waits for the cluster", std::time::Duration::from_secs(30), async || {
            let output = cluster().kubectl(&["get", "obr", "r", "-n", namespace, "-o", path], None);
            (output.stdout == "ClusterNotFound openbao.org/recovery").then_some(())
        })
        .await;
}

/// What the API server answered instead of doing it.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, kube::Error>) -> Box<Status> {
    match answer.expect_err("this has to be refused") {
        kube::Error::Api(status) => status,
        other => panic!("no answer of the API server: {other}"),
    }
}

/// Fields of all causes, in the order given.
pub(crate) fn fields(status: &Status) -> Vec<&str> {
    status.details.iter().flat_map(|details| &details.causes).map(|cause| cause.field.as_str()).collect()
}

/// A cause must stand alone: kubectl shows field and message of it, Flux and Argo CD show only the whole message.
pub(crate) fn assert_tells_the_whole_story(status: &Status) {
    let details = status.details.as_ref().expect("a refusal has details");
    assert!(!details.causes.is_empty(), "a refusal has causes");
    for cause in &details.causes {
        assert!(cause.field.starts_with("spec"), "{cause:?}");
        assert!(cause.message.len() > 30, "what is wrong and what to do: {cause:?}");
        assert!(!cause.reason.is_empty(), "{cause:?}");
        assert!(status.message.contains(&cause.field), "{} lacks {}", status.message, cause.field);
        assert!(status.message.contains(&cause.message), "{} lacks {}", status.message, cause.message);
    }
    assert!(!status.message.to_lowercase().contains("is immutable"), "{}", status.message);
}
