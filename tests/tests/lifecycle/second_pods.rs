//! A second pod for one restore, in every way that the Job controller or a human makes one, at each moment of the first:
//! the snapshot is posted once at most.

use crate::support::{play, rehearsal};
use api::names;
use api::task::TaskKind;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tests::rehearsal::{Rehearsal, phase};
use tests::stub::{Order, Step};

const NAME: &str = "dr";
/// Rehearsals at once.
const LANES: usize = 6;

/// What is done to the pod or its Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The pod is deleted.
    Delete,
    /// It is evicted.
    Evict,
    /// Its finalizers are taken away and it is deleted by force: the Job controller does not count its end.
    Strip,
    /// The Job is suspended and resumed: the Job controller deletes the pod, which dies, and makes another.
    Suspend,
    /// The Job is deleted with its pod, and created anew under its name.
    Recreate,
    /// The same, and the pod of the first stays and goes on.
    Orphan,
}

const WAYS: [Way; 6] = [Way::Delete, Way::Evict, Way::Strip, Way::Suspend, Way::Recreate, Way::Orphan];

/// What the pod is about to do when it happens.
const MOMENTS: [Step; 3] = [Step::Claim, Step::Post, Step::Report];

/// Whether a second pod is sure to start, whatever the operator does: it gives up on one that has not claimed.
fn is_sure(way: Way, moment: Step) -> bool {
    way == Way::Strip || (way == Way::Suspend && moment != Step::Claim)
}

async fn provoke(rehearsal: &Rehearsal, way: Way, moment: Step) {
    let first = pods(rehearsal).await.remove(0);
    let name = first.name_any();
    let pods = rehearsal.api::<Pod>();
    match way {
        Way::Delete => drop(pods.delete(&name, &DeleteParams::default()).await.unwrap()),
        Way::Evict => drop(pods.evict(&name, &EvictParams::default()).await.unwrap()),
        Way::Strip => {
            let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            pods.patch(&name, &PatchParams::default(), &patch).await.unwrap();
            pods.delete(&name, &DeleteParams::default().grace_period(0)).await.unwrap();
        }
        Way::Suspend => {
            suspend(rehearsal, true).await;
            rehearsal.conductor().order(TaskKind::Restore, moment, Order::Die);
            let gone = async || pods.get_opt(&name).await.unwrap().is_none().then_some(());
            rehearsal.eventually("the pod of a suspended Job ends", gone).await;
            rehearsal.conductor().hold(TaskKind::Restore, moment);
            suspend(rehearsal, false).await;
        }
        Way::Recreate => recreate(rehearsal, &DeleteParams::background()).await,
        Way::Orphan => recreate(rehearsal, &DeleteParams::orphan()).await,
    }
    if is_sure(way, moment) {
        second(rehearsal, way, &first).await;
    }
}

/// The Job controller sometimes counts the end of a suspended Job's pod as the failure of the Job: then it makes no other.
async fn second(rehearsal: &Rehearsal, way: Way, first: &Pod) {
    let jobs = rehearsal.api::<Job>();
    let has_come = async || {
        let is_there = pods(rehearsal).await.iter().any(|pod| pod.uid() != first.uid());
        let has_failed =
            way == Way::Suspend && has_failed(&jobs.get(&names::restore_job(NAME)).await.unwrap());
        (is_there || has_failed).then_some(())
    };
    rehearsal.eventually("a second pod is there", has_come).await;
}

fn has_failed(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Failed" && condition.status == "True")
}

async fn suspend(rehearsal: &Rehearsal, suspended: bool) {
    let patch = Patch::Merge(json!({"spec": {"suspend": suspended}}));
    let patched =
        rehearsal.api::<Job>().patch(&names::restore_job(NAME), &PatchParams::default(), &patch).await;
    patched.unwrap();
}

/// As from a manifest that somebody kept.
async fn recreate(rehearsal: &Rehearsal, how: &DeleteParams) {
    let (jobs, name) = (rehearsal.api::<Job>(), names::restore_job(NAME));
    let mut job = jobs.get(&name).await.unwrap();
    jobs.delete(&name, how).await.unwrap();
    let gone = async || jobs.get_opt(&name).await.unwrap().is_none().then_some(());
    rehearsal.eventually("the Job is gone", gone).await;
    job.metadata.resource_version = None;
    job.metadata.uid = None;
    job.status = None;
    let spec = job.spec.as_mut().unwrap();
    spec.selector = None;
    // The Job controller's own labels name the UID of the first.
    let labels = spec.template.metadata.as_mut().unwrap().labels.as_mut().unwrap();
    labels.retain(|key, _| !key.contains("controller-uid") && !key.contains("job-name"));
    job.metadata
        .labels
        .as_mut()
        .unwrap()
        .retain(|key, _| !key.contains("controller-uid") && !key.contains("job-name"));
    jobs.create(&PostParams::default(), &job).await.unwrap();
}

/// The restore's pods.
async fn pods(rehearsal: &Rehearsal) -> Vec<Pod> {
    let of_job = format!("batch.kubernetes.io/job-name={}", names::restore_job(NAME));
    rehearsal.api::<Pod>().list(&ListParams::default().labels(&of_job)).await.unwrap().items
}

async fn provoked((way, moment): (Way, Step)) {
    let rehearsal = rehearsal("second").await;
    let conductor = rehearsal.conductor();
    conductor.hold(TaskKind::Restore, moment);
    rehearsal.create(&rehearsal.request(NAME)).await.unwrap();
    conductor.asked(TaskKind::Restore, moment, 1).await;
    provoke(&rehearsal, way, moment).await;
    conductor.order(TaskKind::Restore, moment, Order::Go);
    let end = rehearsal.end(NAME).await;
    println!("{way:?} at {moment:?}: {:?}, {} POSTs", phase(&end.request), end.posts);
    end.judge().unwrap_or_else(|error| panic!("{way:?} at {moment:?} in {}: {error}", rehearsal.namespace()));
}

/// Bug: two pods of one restore each post the snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_pod_posts_nothing() {
    play(WAYS.iter().flat_map(|way| MOMENTS.map(|moment| (*way, moment))).collect(), LANES, provoked).await;
}
