//! Writes about a cluster: its conditions of ours, and a lock that is cleared.

use super::Clusters;
use super::observe::Look;
use crate::events;
use crate::restore::{RestoreError, fence};
use crate::status::{self, Part};
use crate::writer::{Acted, Writer};
use api::OpenBaoCluster;
use api::conditions::{Condition, Reason};
use jiff::Timestamp;
use kube::Resource as _;
use kube::runtime::events::{Event, EventType};
use plan::lock;

/// Takes the steps of one look.
pub(super) struct Hand<'a> {
    pub(super) clusters: &'a Clusters,
    pub(super) look: &'a Look,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl Hand<'_> {
    /// Applies all conditions of ours, and tells those that are new.
    pub(super) async fn say(&self, conditions: &[Condition]) -> Result<(), RestoreError> {
        let cluster = &self.look.seen.cluster;
        let status = status::whole(cluster, Part::Foreign(conditions));
        if self.writer().apply_status(cluster, status).await?.is_none() {
            return Ok(());
        }
        for condition in conditions.iter().filter(|condition| condition.status == "True") {
            self.tell(&condition.type_, &condition.reason, &condition.message).await;
        }
        Ok(())
    }

    /// Claims the ticket of an owner that is over. A pod that was faster is seen at the next look.
    pub(super) async fn fence(&self, now: Timestamp) -> Result<(), RestoreError> {
        let Some(ticket) = &self.look.ticket else { return Ok(()) };
        self.clusters.leadership.assured()?;
        Acted::of(fence::claim(&self.writer().api(), ticket, Reason::OwnerGone, now).await).map(drop)
    }

    /// Frees a lock whose owner is over.
    pub(super) async fn clear(&self) -> Result<(), RestoreError> {
        let patch = lock::swap(&self.look.seen.cluster.metadata, None);
        let written = self.writer().merge_status::<OpenBaoCluster>(self.name, &patch).await;
        if Acted::of(written)? == Acted::Done {
            let holder = self.look.seen.holder().map(|it| it.operation.holder(&it.name, &it.uid));
            let holder = holder.unwrap_or_default();
            let message = format!(
                "The operation lock of {holder} was cleared: its owner is over or gone, and so are its pods. If it was a \
                 restore, nobody has proved what became of it: compare the cluster's data."
            );
            self.tell("LockReleased", Reason::OwnerGone.as_str(), &message).await;
        }
        Ok(())
    }

    fn writer(&self) -> Writer<'_> {
        let Clusters { client, leadership, .. } = self.clusters;
        Writer { client, leadership, namespace: self.namespace }
    }

    async fn tell(&self, action: &str, reason: &str, message: &str) {
        tracing::warn!(namespace = self.namespace, cluster = self.name, reason, "{message}");
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(message.to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        let about = self.look.seen.cluster.object_ref(&());
        events::publish(&self.clusters.recorder, event, &about).await;
    }
}
