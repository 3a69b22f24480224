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
use tokio::sync::Barrier;

const CONTENDERS: usize = 8;
/// Clusters that are raced for side by side.
const TRACKS: usize = 4;
/// What the reference operator's backups sign with.
const THEIRS: &str = "openbaocluster/backup";

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

    /// Takes the lock over what was read; whether it was taken.
    async fn take(&self, read: &OpenBaoCluster, number: usize) -> bool {
        let (name, now) = (read.metadata.name.as_deref().unwrap(), Timestamp::now());
        if number == 0 {
            let patch = json!({"status": {"operationLock": {
                "operation": "Backup", "holder": THEIRS, "message": "backup job backup-c-20260320-030000",
                "acquiredAt": now.to_string(), "renewedAt": now.to_string(),
            }}});
            return won(
                self.theirs.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await,
                &[403, 409],
            );
        }
        let patch = swap(&read.metadata, Some(&taken(&self.holders[number - 1], name, now)));
        won(self.ours.patch_status(name, &params(), &Patch::Merge(&patch)).await, &[409])
    }

    /// One race; the number of its winner.
    async fn race(&self, track: &str) -> usize {
        let start = Barrier::new(CONTENDERS);
        let contender = async |number: usize| {
            let clusters = if number == 0 { &self.theirs } else { &self.ours };
            let read = clusters.get(track).await.unwrap();
            assert_eq!(holds(&read), None, "the lock is free at the start");
            start.wait().await;
            self.take(&read, number).await
        };
        let won = join_all((0..CONTENDERS).map(contender)).await;
        let winners: Vec<usize> = (0..CONTENDERS).filter(|number| won[*number]).collect();
        let [winner] = winners[..] else { panic!("{track}: winners: {winners:?}") };
        self.release(track, &self.signature(winner)).await;
        winner
    }

    /// Frees the lock of the winner, who holds it. The operator may write its conditions meanwhile.
    async fn release(&self, track: &str, winner: &str) {
        loop {
            let end = self.ours.get(track).await.unwrap();
            assert_eq!(holds(&end).as_deref(), Some(winner), "the winner holds it");
            let patch = Patch::Merge(swap(&end.metadata, None));
            if won(self.ours.patch_status(track, &params(), &patch).await, &[409]) {
                return;
            }
        }
    }

    fn signature(&self, number: usize) -> String {
        let ours = number.checked_sub(1).map(|at| &self.holders[at]);
        ours.map_or_else(|| THEIRS.to_owned(), |holder| holder.operation.holder(&holder.name, &holder.uid))
    }
}

fn holds(cluster: &OpenBaoCluster) -> Option<String> {
    cluster.status.as_ref()?.operation_lock.as_ref().map(|lock| lock.holder.clone())
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(names::MANAGER.to_owned()), ..PatchParams::default() }
}

/// Whoever does not win is told so, and in no other way.
fn won(answer: kube::Result<OpenBaoCluster>, refusals: &[u16]) -> bool {
    match answer {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if refusals.contains(&status.code) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Bug: two operations on one cluster, each sure that the lock is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_has_one_winner() {
    let field = Field::prepare().await;
    let sample = sample(500, 100_000);
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
