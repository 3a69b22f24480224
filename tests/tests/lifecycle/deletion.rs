//! Everything that a restore needs is deleted, in each of its phases: the restore ends as the contract says, and nothing
//! of it is left.

use crate::support::{cluster, play, rehearsal, set_lock, set_status};
use api::conditions::{ConditionType, Reason};
use api::task::TaskKind;
use api::{OpenBaoCluster, OpenBaoRestore, Phase, names};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;
use tests::reference;
use tests::rehearsal::{CLUSTER, Rehearsal, is_freed, is_unknown, phase, reason};
use tests::stub::{Order, Step};

const NAME: &str = "dr";
/// Keeps a request that is deleted, so that its end can be read.
const KEPT: &str = "rehearsal.local/kept";
/// Rehearsals at once: most of each is waiting.
const LANES: usize = 6;

/// What is deleted. Job, pod and ticket are those of the Job at work, or of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    Request,
    Job,
    Pod,
    Account,
    Ticket,
    Cluster,
    Namespace,
}

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// It waits for the end of an upgrade.
    Pending,
    /// The check Job is at work.
    Checking,
    /// It waits for the lock.
    Locked,
    /// The restore Job is at work, and its ticket is free.
    Starting,
    /// The ticket is claimed.
    Claimed,
    /// The snapshot is posted.
    Posted,
    /// It is over, all went well.
    Ended,
}

/// What becomes of the restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It fails without having touched anything, for one of these reasons.
    Fails(&'static [Reason]),
    /// It goes on to its end, and all is well.
    GoesOn,
    /// It may have been posted, and nobody can tell.
    Unknown,
    /// It waits for what was deleted.
    Waits(Reason),
    /// It goes with its namespace.
    Goes,
}

use Moment::{Checking, Claimed, Ended, Locked, Pending, Posted, Starting};
use Object::{Account, Cluster, Pod as OfPod, Request, Ticket};
use Then::{Fails, Goes, GoesOn, Unknown, Waits};

const CASES: &[(Object, Moment, Then)] = &[
    (Request, Pending, Fails(&[Reason::Cancelled])),
    (Request, Checking, Fails(&[Reason::Cancelled])),
    (Request, Locked, Fails(&[Reason::Cancelled])),
    (Request, Starting, GoesOn),
    (Request, Claimed, GoesOn),
    (Request, Posted, GoesOn),
    (Request, Ended, GoesOn),
    (Object::Job, Checking, Fails(&[Reason::JobDeleted])),
    (Object::Job, Locked, GoesOn),
    // Its pod is told to end too, and may be faster to say so.
    (Object::Job, Starting, Fails(&[Reason::JobDeleted, Reason::Cancelled])),
    (Object::Job, Claimed, GoesOn),
    (Object::Job, Posted, GoesOn),
    (Object::Job, Ended, GoesOn),
    (OfPod, Checking, Fails(&[Reason::CheckFailed])),
    (OfPod, Locked, GoesOn),
    (OfPod, Starting, Fails(&[Reason::Cancelled])),
    (OfPod, Claimed, GoesOn),
    (OfPod, Posted, GoesOn),
    (OfPod, Ended, GoesOn),
    (Account, Checking, Fails(&[Reason::CheckFailed])),
    (Account, Locked, GoesOn),
    (Account, Starting, Fails(&[Reason::JobFailed])),
    (Account, Claimed, GoesOn),
    (Account, Posted, GoesOn),
    (Account, Ended, GoesOn),
    (Ticket, Checking, Fails(&[Reason::CheckFailed])),
    // Its pod said the same when it ended.
    (Ticket, Locked, GoesOn),
    (Ticket, Starting, Unknown),
    (Ticket, Claimed, Unknown),
    (Ticket, Posted, Unknown),
    (Ticket, Ended, GoesOn),
    (Cluster, Pending, Waits(Reason::ClusterNotFound)),
    (Cluster, Checking, Waits(Reason::ClusterNotFound)),
    (Cluster, Locked, Waits(Reason::ClusterNotFound)),
    (Cluster, Starting, Fails(&[Reason::LockLost])),
    (Cluster, Claimed, GoesOn),
    (Cluster, Posted, GoesOn),
    (Cluster, Ended, GoesOn),
    (Object::Namespace, Pending, Goes),
    (Object::Namespace, Checking, Goes),
    (Object::Namespace, Locked, Goes),
    (Object::Namespace, Starting, Goes),
    (Object::Namespace, Claimed, Goes),
    (Object::Namespace, Posted, Goes),
    (Object::Namespace, Ended, Goes),
];

/// Brings the request so far and no further.
async fn reach(rehearsal: &Rehearsal, object: Object, moment: Moment) {
    let held = match moment {
        Pending | Locked | Ended => None,
        Checking => Some((TaskKind::Check, Step::Report)),
        Starting => Some((TaskKind::Restore, Step::Claim)),
        Claimed => Some((TaskKind::Restore, Step::Post)),
        Posted => Some((TaskKind::Restore, Step::Report)),
    };
    match moment {
        Pending => set_status(rehearsal, &json!({"conditions": [upgrading()]})).await,
        Locked => set_lock(rehearsal, "Upgrade", Some(reference::UPGRADE)).await,
        _ => {}
    }
    if let Some((kind, step)) = held {
        rehearsal.conductor().hold(kind, step);
    }
    let mut request = rehearsal.request(NAME);
    if object == Object::Request {
        request["metadata"]["finalizers"] = json!([KEPT]);
    }
    rehearsal.create(&request).await.unwrap();
    if let Some((kind, step)) = held {
        rehearsal.conductor().asked(kind, step, 1).await;
    }
    let is = |kind, wanted: Reason| move |request: &OpenBaoRestore| reason(request, kind) == wanted.as_str();
    match moment {
        Pending => drop(
            rehearsal
                .until(NAME, "waits", is(ConditionType::ClusterResolved, Reason::ClusterUpgrading))
                .await,
        ),
        Locked => {
            drop(rehearsal.until(NAME, "waits", is(ConditionType::LockHeld, Reason::LockHeldByOther)).await);
        }
        Ended => drop(rehearsal.until(NAME, "is over", is_freed).await),
        _ => {}
    }
}

fn upgrading() -> serde_json::Value {
    json!({"type": "Upgrading", "status": "True", "reason": "RollingUpdate", "message": "",
           "lastTransitionTime": "2026-03-20T03:00:00Z"})
}

/// Deletes it as `kubectl delete` does; the operator's finalizer may still hold it.
async fn delete(rehearsal: &Rehearsal, object: Object, moment: Moment) {
    let job =
        if [Checking, Locked].contains(&moment) { names::check_job(NAME) } else { names::restore_job(NAME) };
    match object {
        Object::Request => remove::<OpenBaoRestore>(rehearsal, NAME).await,
        Object::Job => remove::<Job>(rehearsal, &job).await,
        Object::Pod => {
            let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
            for pod in rehearsal.api::<Pod>().list(&of_job).await.unwrap() {
                remove::<Pod>(rehearsal, &pod.name_any()).await;
            }
        }
        Object::Account => {
            remove::<ServiceAccount>(rehearsal, &names::restore_service_account(CLUSTER)).await;
        }
        Object::Ticket => remove::<Lease>(rehearsal, &job).await,
        Object::Cluster => remove::<OpenBaoCluster>(rehearsal, CLUSTER).await,
        Object::Namespace => {
            let namespaces = Api::<Namespace>::all(cluster().client().await);
            namespaces.delete(rehearsal.namespace(), &DeleteParams::background()).await.unwrap();
        }
    }
}

async fn remove<K>(rehearsal: &Rehearsal, name: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let deleted = async || match rehearsal.api::<K>().delete(name, &DeleteParams::background()).await {
        Ok(_) => Some(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Some(()),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            unprotect();
            None
        }
        Err(error) => panic!("{name}: {error}"),
    };
    rehearsal.eventually(&format!("{name} is deleted"), deleted).await;
}

/// A policy refuses to delete what is at work, which the tests of admission show. Here it happens all the same, as where
/// the policies are missing; an upgrade of the chart brings them back.
fn unprotect() {
    let bindings =
        cluster().kubectl(&["get", "validatingadmissionpolicybindings", "-o", "name"], None).stdout;
    let protects = |name: &&str| name.ends_with("-running-restores") || name.ends_with("-locked-clusters");
    for binding in bindings.lines().filter(protects) {
        let _ = cluster().kubectl(&["delete", binding, "--ignore-not-found"], None);
    }
}

/// Lets go on whatever is held.
async fn release(rehearsal: &Rehearsal, moment: Moment) {
    match moment {
        Pending => set_status(rehearsal, &json!({"conditions": []})).await,
        Locked => set_lock(rehearsal, "Upgrade", None).await,
        Checking => rehearsal.conductor().order(TaskKind::Check, Step::Report, Order::Go),
        Starting => rehearsal.conductor().order(TaskKind::Restore, Step::Claim, Order::Go),
        Claimed => rehearsal.conductor().order(TaskKind::Restore, Step::Post, Order::Go),
        Posted => rehearsal.conductor().order(TaskKind::Restore, Step::Report, Order::Go),
        Ended => {}
    }
}

async fn holds(rehearsal: &Rehearsal, moment: Moment, then: Then) {
    if matches!(then, GoesOn | Unknown) {
        release(rehearsal, moment).await;
    }
    match then {
        Fails(wanted) => {
            let failed = rehearsal.until(NAME, "is over", is_freed).await;
            let why = reason(&failed, ConditionType::Finished);
            assert_eq!(phase(&failed), Phase::Failed);
            assert!(wanted.iter().any(|wanted| wanted.as_str() == why), "{why} is none of {wanted:?}");
            assert!(rehearsal.conductor().posts().is_empty());
        }
        GoesOn => {
            let ended = rehearsal.until(NAME, "is over", is_freed).await;
            assert_eq!(phase(&ended), Phase::Completed, "{:?}", ended.status);
            assert_eq!(rehearsal.conductor().posts().len(), 1);
        }
        Unknown => settle(rehearsal, moment).await,
        Waits(wanted) => {
            let waits =
                |request: &OpenBaoRestore| reason(request, ConditionType::ClusterResolved) == wanted.as_str();
            rehearsal.until(NAME, "waits", waits).await;
        }
        Goes => release(rehearsal, moment).await,
    }
}

/// A human has looked, and says what became of it; unless who read the ticket right before it went has read the pod's own word
/// right after.
async fn settle(rehearsal: &Rehearsal, moment: Moment) {
    let is_told = |request: &OpenBaoRestore| is_unknown(request) || is_freed(request);
    let unknown = rehearsal.until(NAME, "is in doubt, or told by its pod", is_told).await;
    if is_freed(&unknown) {
        assert_eq!((moment, phase(&unknown)), (Posted, Phase::Completed), "{:?}", unknown.status);
        return;
    }
    let (applied, ended) = match rehearsal.conductor().posts().len() {
        0 => ("not-applied", Phase::Failed),
        _ => ("applied", Phase::Completed),
    };
    let outcome = format!("{}/{applied}", unknown.uid().unwrap());
    let patch = Patch::Merge(json!({"metadata": {"annotations": {names::OUTCOME: outcome}}}));
    rehearsal.api::<OpenBaoRestore>().patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    let settled = rehearsal.until(NAME, "is settled", is_freed).await;
    assert_eq!(
        (phase(&settled), reason(&settled, ConditionType::Finished)),
        (ended, Reason::Settled.as_str())
    );
}

/// Takes our own finalizer off, over what was read last: the operator writes beside us.
async fn let_go(rehearsal: &Rehearsal) {
    let requests = rehearsal.api::<OpenBaoRestore>();
    let off = async || {
        let Some(request) = rehearsal.stored(NAME).await else { return Some(()) };
        let mut finalizers = request.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|name| name != KEPT);
        let patch =
            json!({"metadata": {"resourceVersion": request.resource_version(), "finalizers": finalizers}});
        match requests.patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Some(()),
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => None,
            Err(error) => panic!("{error}"),
        }
    };
    rehearsal.eventually("our finalizer is off", off).await;
}

/// Whatever is not gone by itself goes with request and cluster, and then nothing of ours is there.
async fn nothing_is_left(rehearsal: &Rehearsal, moment: Moment, then: Then) {
    if then == Goes {
        let namespaces = Api::<Namespace>::all(cluster().client().await);
        let gone = async || namespaces.get_opt(rehearsal.namespace()).await.unwrap().is_none().then_some(());
        return rehearsal.eventually(&format!("namespace {} is gone", rehearsal.namespace()), gone).await;
    }
    remove::<OpenBaoRestore>(rehearsal, NAME).await;
    let_go(rehearsal).await;
    let gone = async || rehearsal.stored(NAME).await.is_none().then_some(());
    rehearsal.eventually(&format!("the request in {} is gone", rehearsal.namespace()), gone).await;
    if moment != Locked {
        assert_eq!(rehearsal.lock().await, None, "the lock is free");
    }
    remove::<OpenBaoCluster>(rehearsal, CLUSTER).await;
    let what = format!("nothing of ours is left in {}", rehearsal.namespace());
    rehearsal.eventually(&what, async || rehearsal.left_over().await.is_empty().then_some(())).await;
}

async fn deleted((object, moment, then): (Object, Moment, Then)) {
    let rehearsal = rehearsal("deletion").await;
    println!("{object:?} while {moment:?} in {}: {then:?}", rehearsal.namespace());
    reach(&rehearsal, object, moment).await;
    delete(&rehearsal, object, moment).await;
    holds(&rehearsal, moment, then).await;
    nothing_is_left(&rehearsal, moment, then).await;
    assert!(rehearsal.conductor().posts().len() <= 1);
}

/// Bug: a lock that nobody gives back, a request that stays for ever, a Job that goes on without its request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_deleted_the_restore_ends_and_nothing_is_left() {
    play(CASES.to_vec(), LANES, deleted).await;
}
