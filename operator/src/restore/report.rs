//! Says what became of a request: its status, events on it and on its cluster, and a line in the log.

use super::RestoreError;
use crate::events;
use crate::lease::Leadership;
use crate::writer::Writer;
use api::{OpenBaoCluster, OpenBaoRestore, OpenBaoRestoreStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource};
use plan::restore::Observed;
use plan::restore::transitions::{Transition, transitions};

/// Tells people and machines.
pub(super) struct Reporting {
    client: Client,
    recorder: Recorder,
}

impl Reporting {
    pub(super) fn new(client: &Client, recorder: Recorder) -> Self {
        Self { client: client.clone(), recorder }
    }

    /// Writes the status over exactly the object that was planned on, and tells what changed. Gives the object as it
    /// is now; none when it was written meanwhile.
    pub(super) async fn status(
        &self,
        seen: &Observed,
        status: &OpenBaoRestoreStatus,
        leadership: &Leadership,
    ) -> Result<Option<OpenBaoRestore>, RestoreError> {
        let namespace = seen.request.metadata.namespace.as_deref().unwrap_or_default();
        let writer = Writer { client: &self.client, leadership, namespace };
        let Some(written) = writer.apply_status(&seen.request, status).await? else { return Ok(None) };
        for transition in transitions(seen.request.status.as_ref(), status) {
            self.tell(seen, status, &transition).await;
        }
        Ok(Some(written))
    }

    async fn tell(&self, seen: &Observed, status: &OpenBaoRestoreStatus, transition: &Transition) {
        let metadata = &seen.request.metadata;
        tracing::info!(
            namespace = metadata.namespace,
            restore = metadata.name,
            uid = metadata.uid,
            phase = ?status.phase,
            condition = transition.action,
            reason = transition.reason,
            "{}", transition.message
        );
        if seen.namespace_terminating {
            // No event can be made there any more.
            return;
        }
        let request = seen.request.object_ref(&());
        let type_ = if transition.warning { EventType::Warning } else { EventType::Normal };
        self.publish(type_, transition, &request, None).await;
        if let Some(cluster) = seen.cluster.as_ref().filter(|_| transition.of_cluster) {
            let cluster = OpenBaoCluster::object_ref(cluster, &());
            let name = metadata.name.as_deref().unwrap_or_default();
            let message = format!("OpenBaoRestore {name}: {}", transition.message);
            let of_cluster = Transition { message, ..transition.clone() };
            self.publish(type_, &of_cluster, &cluster, Some(request)).await;
        }
    }

    async fn publish(
        &self,
        type_: EventType,
        transition: &Transition,
        about: &ObjectReference,
        secondary: Option<ObjectReference>,
    ) {
        let event = Event {
            type_,
            reason: transition.reason.clone(),
            note: Some(transition.message.clone()),
            action: transition.action.clone(),
            secondary,
        };
        events::publish(&self.recorder, event, about).await;
    }

    /// Says that a step was refused: without it the request would wait and nobody could see why.
    pub(super) async fn refused(&self, request: &OpenBaoRestore, error: &RestoreError) {
        let refusal = Transition {
            action: "Act".to_owned(),
            reason: "ApiRefused".to_owned(),
            message: error.to_string(),
            warning: true,
            of_cluster: false,
        };
        self.publish(EventType::Warning, &refusal, &request.object_ref(&()), None).await;
    }
}
