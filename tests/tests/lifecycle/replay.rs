//! A request that comes back: pruned and applied again, deleted and re-created by a tool that forces, copied by a backup
//! tool. It ran once, so it does not run again unless a human says so.

use crate::support::{cluster, rehearsal};
use api::conditions::{ConditionType, Reason};
use api::task::TaskKind;
use api::{OpenBaoRestore, Phase, names};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tests::rehearsal::{Rehearsal, is_freed, phase, reason};
use tests::stub::{Order, Step};

const NAME: &str = "dr";

/// Creates it and waits until it is over; gives its phase, and its UID.
async fn run(rehearsal: &Rehearsal, request: &Value) -> (Phase, String) {
    let created = rehearsal.create(request).await.unwrap();
    let end = rehearsal.end(&created.name_any()).await;
    assert_eq!(end.request.uid(), created.uid());
    (phase(&end.request), created.uid().unwrap())
}

/// It comes back in some way, and is refused without a POST.
async fn is_refused(rehearsal: &Rehearsal, request: &Value, way: &str) {
    let posts = rehearsal.conductor().posts().len();
    assert_eq!(run(rehearsal, request).await.0, Phase::Failed, "{way}");
    refusal(rehearsal, way).await;
    assert_eq!(rehearsal.conductor().posts().len(), posts, "{way}");
}

async fn refusal(rehearsal: &Rehearsal, way: &str) {
    let request = rehearsal.stored(NAME).await.unwrap();
    assert_eq!(reason(&request, ConditionType::Stalled), Reason::AlreadyRequested.as_str(), "{way}");
    let message = request.status.unwrap().message.unwrap();
    assert!(message.contains("new name") && message.contains(names::AGAIN), "{way}: {message}");
}

/// Deletes it as a tool that prunes does.
async fn prune(rehearsal: &Rehearsal) {
    rehearsal.api::<OpenBaoRestore>().delete(NAME, &DeleteParams::background()).await.unwrap();
    let gone = async || rehearsal.stored(NAME).await.is_none().then_some(());
    rehearsal.eventually("the pruned request is gone", gone).await;
}

/// What `again` names, from the refusal.
fn annotated(mut request: Value, key: &str, value: &str) -> Value {
    request["metadata"]["annotations"] = json!({key: value});
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_back_does_not_run_again() {
    let rehearsal = rehearsal("replay").await;
    let request = rehearsal.request(NAME);
    let (ended, first) = run(&rehearsal, &request).await;
    assert_eq!((ended, rehearsal.conductor().posts().len()), (Phase::Completed, 1));
    let stored = rehearsal.stored(NAME).await.unwrap();
    is_marked_as(NAME, &first, &stored);
    let copy = backup_tools_copy(stored);

    prune(&rehearsal).await;
    is_refused(&rehearsal, &request, "pruned and applied again").await;
    replace_by_force(&rehearsal, &request);
    rehearsal.until(NAME, "is over", is_freed).await;
    refusal(&rehearsal, "kubectl replace --force").await;
    prune(&rehearsal).await;
    is_refused(&rehearsal, &copy, "a backup tool's copy").await;
    prune(&rehearsal).await;
    upgrade_chart();
    is_refused(&rehearsal, &request, "after an upgrade of the chart with other defaults").await;
    assert_eq!(rehearsal.conductor().posts().len(), 1);

    prune(&rehearsal).await;
    let again = annotated(request.clone(), names::AGAIN, &first);
    let (ended, second) = run(&rehearsal, &again).await;
    assert_eq!((ended, rehearsal.conductor().posts().len()), (Phase::Completed, 2), "again");
    prune(&rehearsal).await;
    is_refused(&rehearsal, &again, "again, once more").await;
    let message = rehearsal.stored(NAME).await.unwrap().status.unwrap().message.unwrap();
    assert!(message.contains(&second), "the latest run is named: {message}");

    let (ended, _) = run(&rehearsal, &rehearsal.request("another-name")).await;
    assert_eq!((ended, rehearsal.conductor().posts().len()), (Phase::Completed, 3), "a new name");
    let mut export = copy;
    export["metadata"]["name"] = json!("exported");
    let (ended, uid) = run(&rehearsal, &export).await;
    assert_eq!(
        (ended, rehearsal.conductor().posts().len()),
        (Phase::Completed, 4),
        "an export under a new name"
    );
    is_marked_as("exported", &uid, &rehearsal.stored("exported").await.unwrap());
}

fn is_marked_as(name: &str, uid: &str, request: &OpenBaoRestore) {
    let own = [(names::REQUEST_NAME, name), (names::REQUEST_UID, uid)];
    for (key, value) in own {
        assert_eq!(request.annotations().get(key).map(String::as_str), Some(value), "{key}");
    }
}

/// The object as it was stored, status and all; the API server gives it a new UID.
fn backup_tools_copy(request: OpenBaoRestore) -> Value {
    let mut copy = serde_json::to_value(request).unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
        copy["metadata"].as_object_mut().unwrap().remove(field);
    }
    copy
}

fn replace_by_force(rehearsal: &Rehearsal, request: &Value) {
    let arguments = ["replace", "--force", "-n", rehearsal.namespace(), "-f", "-"];
    let output = cluster().kubectl(&arguments, Some(&request.to_string()));
    assert_eq!(output.code, 0, "{}", output.stderr);
}

/// The webhook fills in another audience from now on.
fn upgrade_chart() {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/chart");
    let audience = "controller.extraEnv[0].name=OPENBAO_JWT_AUDIENCE,controller.extraEnv[0].value=another";
    let release = "openbao-recovery";
    let upgrade = ["upgrade", release, chart, "-n", release, "--reuse-values", "--wait", "--timeout=120s"];
    let output = cluster().helm(&[&upgrade[..], &["--set", audience]].concat());
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

/// Bug: the annotation of the first one is taken for a guard's own, and the copy runs where nothing is recorded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_another_namespace_does_not_run() {
    let (home, abroad) = (rehearsal("home").await, rehearsal("abroad").await);
    assert_eq!(run(&home, &home.request(NAME)).await.0, Phase::Completed);
    let mut copy = backup_tools_copy(home.stored(NAME).await.unwrap());
    copy["metadata"].as_object_mut().unwrap().remove("namespace");
    is_refused(&abroad, &copy, "a copy in another namespace").await;
    assert_eq!(home.conductor().posts().len(), 1);
}

/// Before it ran, a request that is replaced by force is another one, and that one runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_replaced_before_it_ran_runs_once() {
    let rehearsal = rehearsal("replaced").await;
    let request = rehearsal.request(NAME);
    rehearsal.conductor().hold(TaskKind::Check, Step::Report);
    rehearsal.create(&request).await.unwrap();
    rehearsal.conductor().asked(TaskKind::Check, Step::Report, 1).await;
    rehearsal.conductor().order(TaskKind::Check, Step::Report, Order::End(api::task::Outcome::Done));
    replace_by_force(&rehearsal, &request);
    let end = rehearsal.end(NAME).await;
    end.judge().unwrap();
    assert_eq!(phase(&end.request), Phase::Completed);
}

/// Bug: the pod of an earlier request of this name, whose Job was deleted without it, speaks for this one: Completed, and
/// nothing was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_an_earlier_request_left_says_nothing() {
    let rehearsal = rehearsal("orphan").await;
    leave_pod(&rehearsal).await;
    assert_eq!(run(&rehearsal, &rehearsal.request(NAME)).await.0, Phase::Completed);
    assert_eq!(rehearsal.conductor().posts().len(), 1);
}

/// One that says that it has restored.
async fn leave_pod(rehearsal: &Rehearsal) {
    let pods = rehearsal.api::<Pod>();
    let said = json!({"v": 2, "outcome": "done"}).to_string();
    let container = json!({"name": names::CONTAINER, "image": "i"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "left",
            "labels": {"batch.kubernetes.io/job-name": names::restore_job(NAME)},
            "annotations": {names::REQUEST_UID: "another"},
        },
        // No node runs it.
        "spec": {"schedulerName": "nobody", "automountServiceAccountToken": false, "containers": [container]},
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let ended = json!({"terminated": {"exitCode": 0, "finishedAt": "2026-03-20T03:00:00Z", "message": said}});
    let status = json!({"status": {"phase": "Succeeded", "containerStatuses": [{
        "name": names::CONTAINER, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": ended,
    }]}});
    pods.patch_status("left", &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
}
