//! Writes about a cluster: its conditions of ours, and a lock that is cleared.

use super::Clusters;
use super::observe::Look;
use crate::events;
use crate::restore::{RestoreError, fence};
use crate::status;
use crate::writer::is_race;
use api::conditions::{Condition, Reason};
use api::{OpenBaoCluster, names};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Resource as _;
use kube::api::{Api, Patch, PatchParams};
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
        let object = status::applied(&self.look.seen.cluster, conditions, None);
        let params = PatchParams::apply(names::MANAGER).force();
        if !self.write(&params, &Patch::Apply(&object)).await? {
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
        let leases = Api::<Lease>::namespaced(self.clusters.client.clone(), self.namespace);
        match fence::claim(&leases, ticket, Reason::OwnerGone, now).await {
            Err(RestoreError::Api(error)) if is_race(&error) => Ok(()),
            other => other,
        }
    }

    /// Frees a lock whose owner is over.
    pub(super) async fn clear(&self) -> Result<(), RestoreError> {
        let patch = lock::swap(&self.look.seen.cluster.metadata, None);
        let params = PatchParams { field_manager: Some(names::MANAGER.to_owned()), ..PatchParams::default() };
        if self.write(&params, &Patch::Merge(&patch)).await? {
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

    /// Whether it was written; not so when the cluster was written or removed meanwhile.
    async fn write<P: serde::Serialize + std::fmt::Debug>(
        &self,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<bool, RestoreError> {
        self.clusters.leadership.assured()?;
        let api = Api::<OpenBaoCluster>::namespaced(self.clusters.client.clone(), self.namespace);
        match api.patch_status(self.name, params, patch).await {
            Ok(_) => Ok(true),
            Err(error) if is_race(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
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
