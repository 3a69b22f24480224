//! The marker of a snapshot lives in no data but the snapshot's, so that finding it proves a restore. Where it is alive it is
//! consumed: before a restore, so that it says something afterwards, and after one, so that it can again.

use super::Ended;
use crate::args::Args;
use crate::dial::Guard;
use crate::openbao::{Cluster, Node, leader_of};
use api::task::{Origin, Outcome, Task};
use std::time::Duration;
use tokio::time::sleep;

/// Pauses before each further try: a leader that has just restored may be busy.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// Sees that the snapshot's marker is not in the data of the leader, and takes it out if it is.
pub(super) async fn absent(leader: &Node, origin: &Origin) -> Result<(), String> {
    let marker = &origin.marker.token;
    if leader.has_marker(marker).await? {
        tracing::info!(leader = leader.address, "the marker of the snapshot is alive, and is consumed");
        leader.consume(marker).await?;
    }
    Ok(())
}

/// Consumes it after a restore that was applied, once the API server has the Report: before that it is the only proof.
pub(super) async fn afterwards(task: &Task, args: &Args, origin: Option<&Origin>, ended: &Ended) {
    let Some(origin) = origin.filter(|_| ended.is_left && ended.report.outcome == Outcome::Done) else {
        return;
    };
    for pause in PAUSES {
        match at_leader(task, args, origin).await {
            Ok(()) => return,
            Err(fault) => tracing::warn!(fault, "the marker of the snapshot was not consumed"),
        }
        sleep(pause).await;
    }
    tracing::warn!("the marker of the snapshot stays; its next restore consumes it");
}

async fn at_leader(task: &Task, args: &Args, origin: &Origin) -> Result<(), String> {
    let cluster = Cluster::open(&task.cluster, &args.mounts.join("openbao-ca"), &Guard::of(args))
        .map_err(|error| error.to_string())?;
    let seen = cluster.look().await;
    let leader = leader_of(&seen).and_then(|(index, _)| cluster.node(index));
    absent(leader.ok_or("nobody leads")?, origin).await
}
