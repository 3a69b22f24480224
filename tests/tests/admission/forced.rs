//! Tools that force: what they take as leave to delete an object and create it anew, they never get from a refused
//! update.

use crate::support::{cluster, good, settled, undisturbed};
use http::{Method, Request};
use kube::client::Body;
use kube::core::Status;
use serde_json::{Value, json};

/// Kind, the object that is there, and a change that is refused.
fn refused_changes(namespace: &str) -> Vec<(&'static str, Value, Value)> {
    let restore = good(namespace, "r");
    let mut key = restore.clone();
    key["spec"]["source"]["key"] = json!("clusters/prod/other.snap");
    let mut worse = restore.clone();
    worse["spec"]["cluster"] = json!("field is immutable");
    let cluster = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "c", "namespace": namespace},
        "spec": {"backup": {"jwtAuthRole": "backup", "target": {"bucket": "openbao-backups"}}}
    });
    let mut schedule = cluster.clone();
    schedule["spec"]["backup"]["schedule"] = json!("0 3 * * 7");
    let mut bucket = cluster.clone();
    bucket["spec"]["backup"]["target"]["bucket"] = json!("is immutable");
    vec![
        ("obr", restore.clone(), key),
        ("obr", restore, worse),
        ("baoc", cluster.clone(), schedule),
        ("baoc", cluster, bucket),
    ]
}

fn stored(kind: &str, object: &Value) -> Value {
    let (name, namespace) = (&object["metadata"]["name"], &object["metadata"]["namespace"]);
    let arguments = ["get", kind, name.as_str().unwrap(), "-n", namespace.as_str().unwrap(), "-o", "json"];
    let output = cluster().kubectl(&arguments, None);
    assert_eq!(output.code, 0, "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

async fn made(namespace: &str) {
    for (_, object, _) in refused_changes(namespace) {
        let output = cluster().kubectl(&["apply", "-f", "-"], Some(&object.to_string()));
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    settled(namespace).await;
}

fn assert_kept(kind: &str, object: &Value, before: &Value) {
    let after = stored(kind, object);
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"], "it is the same {kind}");
    assert_eq!(after["spec"], before["spec"]);
}

#[tokio::test]
async fn kubectl_apply_force_keeps_the_object() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("kubectl-force");
    made(&namespace).await;
    for (kind, object, changed) in refused_changes(&namespace) {
        let before = stored(kind, &object);
        let output = cluster()
            .kubectl(&["apply", "--force", "--grace-period=0", "-f", "-"], Some(&changed.to_string()));
        assert_ne!(output.code, 0, "{}", output.stdout);
        assert!(output.stderr.contains("spec."), "it names the field: {}", output.stderr);
        assert_kept(kind, &object, &before);
    }
}

/// As Flux decides on its server-side dry run, with `force`: a conflict, an invalid object, or words of immutability are
/// leave to delete and create. Argo CD and kubectl know the first two.
fn is_leave(status: &Status) -> bool {
    let words = status.message.to_lowercase();
    matches!(status.reason.as_str(), "Conflict" | "Invalid")
        || words.contains("is immutable")
        || words.contains("immutable field")
}

/// Server-side apply by dry run, then what Flux does with the answer. Gives the answer.
async fn force_as_flux(client: &kube::Client, kind: &str, object: &Value) -> Status {
    let plural = if kind == "obr" { "openbaorestores" } else { "openbaoclusters" };
    let metadata = &object["metadata"];
    let text = |name: &str| metadata[name].as_str().unwrap();
    let folder = format!("/apis/openbao.org/v1alpha1/namespaces/{}/{plural}", text("namespace"));
    let path = format!("{folder}/{}", text("name"));
    let body = || Body::from(object.to_string().into_bytes());
    let apply = Request::builder()
        .method(Method::PATCH)
        .uri(format!("{path}?dryRun=All&force=true&fieldManager=flux&fieldValidation=Strict"))
        .header("content-type", "application/apply-patch+yaml")
        .body(body())
        .unwrap();
    let answer = client.send(apply).await.unwrap();
    let bytes = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    let status: Status = serde_json::from_slice(&bytes).unwrap();
    if is_leave(&status) {
        let send = async |method: Method, uri: &str, body: Body| {
            let request =
                Request::builder().method(method).uri(uri).header("content-type", "application/json");
            client.send(request.body(body).unwrap()).await.unwrap();
        };
        send(Method::DELETE, &path, Body::empty()).await;
        send(Method::POST, &folder, body()).await;
    }
    status
}

#[tokio::test]
async fn a_server_side_dry_run_gives_flux_no_leave_to_recreate() {
    let _guard = undisturbed().await;
    let client = cluster().client().await;
    let namespace = cluster().namespace("flux-force");
    made(&namespace).await;
    for (kind, object, changed) in refused_changes(&namespace) {
        let before = stored(kind, &object);
        let status = force_as_flux(&client, kind, &changed).await;
        assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"), "{}", status.message);
        assert_kept(kind, &object, &before);
    }
}
