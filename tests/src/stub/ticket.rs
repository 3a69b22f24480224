//! The ticket as a stub uses it: read, judged, and written over exactly what was read.

use anyhow::Context;
use api::names;
use api::task::{Outcome, Task};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use std::time::Duration;

/// The right to the ticket may be a moment younger than the pod.
const READABLE_WITHIN: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);
/// A stub that is held sees so soon that somebody else claimed its ticket.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The ticket of this pod.
pub(super) struct Ticket {
    leases: Api<Lease>,
    name: String,
    uid: String,
    pod: String,
}

/// Why a pod has to leave it alone.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the ticket is gone, or another one bears its name")]
    Gone,
    #[error("the ticket was claimed by {0:?}")]
    ClaimedBy(String),
    #[error("another Report is on the ticket")]
    Reported,
    #[error(transparent)]
    Api(#[from] anyhow::Error),
}

impl Lost {
    /// How a pod ends that has not acted yet.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::ClaimedBy(holder) if !holder.starts_with("operator/") => Outcome::Unknown,
            Self::Gone | Self::ClaimedBy(_) | Self::Reported => Outcome::Refused,
            Self::Api(_) => Outcome::Failed,
        }
    }
}

impl Ticket {
    pub(super) fn new(client: kube::Client, task: &Task, pod: &str) -> Self {
        Self {
            leases: Api::namespaced(client, &task.request.namespace),
            name: task.ticket.name.clone(),
            uid: task.ticket.uid.clone(),
            pod: pod.to_owned(),
        }
    }

    /// The ticket as it is, if this pod may still use it.
    pub(super) async fn read(&self) -> Result<Lease, Lost> {
        let mut tries = 0;
        let lease = loop {
            match self.leases.get_opt(&self.name).await {
                Ok(lease) => break lease.ok_or(Lost::Gone)?,
                Err(_) if tries < READABLE_WITHIN => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    return Err(anyhow::Error::new(error).context("the ticket cannot be read").into());
                }
            }
            tries += 1;
        };
        if lease.metadata.uid.as_ref() != Some(&self.uid) {
            return Err(Lost::Gone);
        }
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if !holder.is_empty() && holder != self.pod {
            return Err(Lost::ClaimedBy(holder.to_owned()));
        }
        if lease.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(names::REPORT)) {
            return Err(Lost::Reported);
        }
        Ok(lease)
    }

    /// Why this pod may not use it any more, as soon as that is so.
    pub(super) async fn lost(&self) -> Lost {
        loop {
            if let Err(lost) = self.read().await {
                return lost;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// One write, over exactly what was read; when somebody else was faster, what is there now is judged anew.
    pub(super) async fn write(&self, change: impl Fn(&mut Lease, &str)) -> Result<(), Lost> {
        loop {
            let mut lease = self.read().await?;
            change(&mut lease, &self.pod);
            match self.leases.replace(&self.name, &PostParams::default(), &lease).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                Err(kube::Error::Api(status)) if status.is_not_found() => return Err(Lost::Gone),
                Err(error) => Err(error).context("the ticket cannot be written")?,
            }
        }
    }
}
