//! Says what became of backups: the cluster's status, events on it, and a line in the log.

use super::waits::Waits;
use crate::events;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::restore::RestoreError;
use crate::status::{self, Part};
use crate::writer::Writer;
use api::{OpenBaoCluster, names};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource};
use plan::backup::{Observed, Told, Written};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Tells people and machines.
pub(crate) struct Reporting {
    client: Client,
    recorder: Recorder,
    /// Jobs of which it was told that they are not adopted; nothing is decided by it.
    strangers: Mutex<HashSet<String>>,
    pub(super) waits: Waits,
}

impl Reporting {
    pub(crate) fn new(client: &Client, recorder: Recorder, metrics: Arc<Metrics>) -> Self {
        let (client, waits) = (client.clone(), Waits::new(metrics));
        Self { client, recorder, strangers: Mutex::default(), waits }
    }

    /// Writes the status over exactly the object that was planned on. Gives the object as it is now; none when it was
    /// written meanwhile.
    pub(super) async fn status(
        &self,
        cluster: &OpenBaoCluster,
        written: &Written,
        leadership: &Leadership,
    ) -> Result<Option<OpenBaoCluster>, RestoreError> {
        let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
        let writer = Writer { client: &self.client, leadership, namespace };
        writer.apply_status(cluster, status::whole(cluster, Part::Backups(written))).await
    }

    pub(super) async fn tell(&self, cluster: &OpenBaoCluster, told: &[Told]) {
        for one in told {
            let (namespace, name) = (&cluster.metadata.namespace, &cluster.metadata.name);
            tracing::info!(namespace, cluster = name, reason = one.reason, "{}", one.message);
            self.publish(cluster, one.reason, one.warning, &one.message).await;
        }
    }

    /// Jobs that carry our labels and belong to something else are never adopted: each is told of once.
    pub(super) async fn strangers(&self, seen: &Observed) {
        for job in seen.strangers() {
            let is_new = {
                let mut told = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
                told.insert(job.job.uid.clone())
            };
            if is_new {
                let message = format!(
                    "Job {} is labelled as a backup of this cluster and is not of its CronJob; it is left as it is. Make \
                     one with kubectl create job --from=cronjob/{}.",
                    job.name,
                    names::backup_cron_job(seen.cluster.metadata.name.as_deref().unwrap_or_default())
                );
                self.publish(&seen.cluster, "NotAdopted", true, &message).await;
            }
        }
    }

    /// Says that a step was refused: without it backups would wait and nobody could see why.
    pub(super) async fn refused(&self, cluster: &OpenBaoCluster, error: &RestoreError) {
        self.publish(cluster, "ApiRefused", true, &error.to_string()).await;
    }

    async fn publish(&self, cluster: &OpenBaoCluster, reason: &str, warning: bool, message: &str) {
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(message.to_owned()),
            action: "Backup".to_owned(),
            secondary: None,
        };
        events::publish(&self.recorder, event, &cluster.object_ref(&())).await;
    }
}
