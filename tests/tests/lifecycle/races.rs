//! Eight want the lock of a cluster at once. Seven are of ours and write over exactly what they read; the eighth writes
//! as the reference operator does, over whatever is there, and has no verb of ours.

use crate::support::{cluster, rehearsal};
use api::lock::Holder;
use api::{OpenBaoCluster, Operation, names};
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use plan::lock::{swap, taken};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::harness::sample;
use tests::reference;

const CONTENDERS: usize = 8;
/// Clusters that are raced for side by side.
const TRACKS: usize = 4;

/// How many races a soak runs.
const WHOLE: usize = 100_000;

/// Both sides' ways to the clusters of one namespace.
struct Field {
    ours: Api<OpenBaoCluster>,
    theirs: Api<OpenBaoCluster>,
    /// Of requests that wait for a cluster that is not there, so that the operator takes no lock of theirs for orphaned.
    holders: Vec<Holder>,
}

impl Field {
    async fn prepare() -> Self {
        let rehearsal = rehearsal("race").await;
        let kubectl = |arguments: &[&str]| {
            let output = cluster().kubectl(&[&["-n", rehearsal.namespace()], arguments].concat(), None);
            assert_eq!(output.code, 0, "{}", output.stderr);
        };
        let resources = "--resource=openbaoclusters,openbaoclusters/status";
        kubectl(&["create", "role", "reference", "--verb=get,patch", resources]);
        kubectl(&["create", "rolebinding", "reference", "--role=reference", "--user=reference"]);
        let holder = async |number: usize| {
            let mut request = rehearsal.request(&format!("r-{number}"));
            request["spec"]["cluster"] = json!("absent");
            let request = rehearsal.create(&request).await.unwrap();
            Holder { operation: Operation::Restore, name: request.name_any(), uid: request.uid().unwrap() }
        };
        let operator = "system:serviceaccount:openbao-recovery:openbao-recovery-operator";
        Self {
            holders: join_all((1..CONTENDERS).map(holder)).await,
            ours: Api::namespaced(cluster().client_as(operator).await, rehearsal.namespace()),
            theirs: Api::namespaced(cluster().client_as("reference").await, rehearsal.namespace()),
        }
    }

    /// A cluster to race for.
    async fn track(&self, name: &str) -> String {
        let object = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": {"name": name}, "spec": {},
        });
        let object = serde_json::from_value(object).unwrap();
        let clusters =
            Api::<OpenBaoCluster>::namespaced(cluster().client().await, self.ours.namespace().unwrap());
        clusters.create(&PostParams::default(), &object).await.unwrap();
        name.to_owned()
    }

    /// Takes the lock over what was read; the cluster as it is then, if it was taken.
    async fn take(&self, read: &OpenBaoCluster, number: usize) -> Option<OpenBaoCluster> {
        let (name, now) = (read.metadata.name.as_deref().unwrap(), Timestamp::now());
        if number == 0 {
            let taking = reference::take_lock(&self.theirs, name, "Backup", reference::BACKUP);
            return won(taking.await, &[403, 409]);
        }
        let patch = swap(&read.metadata, Some(&taken(&self.holders[number - 1], name, now)));
        won(self.ours.patch_status(name, &params(), &Patch::Merge(&patch)).await, &[409])
    }

    /// One race; the number of its winner.
    async fn race(&self, track: &str) -> usize {
        let read = self.ours.get(track).await.unwrap();
        assert_eq!(holds(&read), None, "the lock is free at the start");
        let taken = join_all((0..CONTENDERS).map(|number| self.take(&read, number))).await;
        let mut winners = taken.into_iter().enumerate().filter_map(|(number, taken)| Some((number, taken?)));
        let (winner, held) = winners.next().unwrap();
        assert_eq!(winners.next().map(|(other, _)| other), None, "{track}: {winner} has won as well");
        self.release(held, &self.signature(winner)).await;
        winner
    }

    /// Frees the lock of the winner, who holds it. The operator may write its conditions meanwhile.
    async fn release(&self, mut held: OpenBaoCluster, winner: &str) {
        let name = held.name_any();
        loop {
            assert_eq!(holds(&held).as_deref(), Some(winner), "the winner holds it");
            let patch = Patch::Merge(swap(&held.metadata, None));
            if won(self.ours.patch_status(&name, &params(), &patch).await, &[409]).is_some() {
                return;
            }
            held = self.ours.get(&name).await.unwrap();
        }
    }

    fn signature(&self, number: usize) -> String {
        let ours = number.checked_sub(1).map(|at| &self.holders[at]);
        ours.map_or_else(
            || reference::BACKUP.to_owned(),
            |holder| holder.operation.holder(&holder.name, &holder.uid),
        )
    }
}

fn holds(cluster: &OpenBaoCluster) -> Option<String> {
    cluster.status.as_ref()?.operation_lock.as_ref().map(|lock| lock.holder.clone())
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(names::MANAGER.to_owned()), ..PatchParams::default() }
}

/// Whoever does not win is told so, and in no other way.
fn won(answer: kube::Result<OpenBaoCluster>, refusals: &[u16]) -> Option<OpenBaoCluster> {
    match answer {
        Ok(cluster) => Some(cluster),
        Err(kube::Error::Api(status)) if refusals.contains(&status.code) => None,
        Err(error) => panic!("{error}"),
    }
}

/// It contends for nothing here, and looks at every lock that changes: most of the work of a soak would be its own.
fn send_operator_home() {
    let operator = ["deployment/openbao-recovery-operator", "--namespace=openbao-recovery", "--replicas=0"];
    let output = cluster().kubectl(&[&["scale"], &operator[..]].concat(), None);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

/// Bug: two operations on one cluster, each sure that the lock is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_has_one_winner() {
    let field = Field::prepare().await;
    let sample = sample(500, WHOLE);
    if sample.count == WHOLE {
        send_operator_home();
    }
    let (next, theirs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let names: Vec<String> = (0..TRACKS).map(|number| format!("track-{number}")).collect();
    let tracks =
        try_join_all(names.iter().map(async |name| Ok::<_, ()>(field.track(name).await))).await.unwrap();
    join_all(tracks.iter().map(async |track| {
        while next.fetch_add(1, Ordering::SeqCst) < sample.count {
            theirs.fetch_add(usize::from(field.race(track).await == 0), Ordering::SeqCst);
        }
    }))
    .await;
    let theirs = theirs.load(Ordering::SeqCst);
    println!("{} races, {theirs} won by the one that names no version", sample.count);
    assert!((1..sample.count).contains(&theirs), "both kinds win sometimes");
}
