//! The operator's own claim of a ticket: afterwards no pod can act.

use super::RestoreError;
use crate::writer::post;
use api::conditions::Reason;
use api::lock::Holder;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::Api;
use plan::restore::{fence_holder, objects};

/// Claims a ticket over exactly what was read: a pod that was faster wins.
pub(crate) async fn claim(
    leases: &Api<Lease>,
    read: &Lease,
    reason: Reason,
    now: Timestamp,
) -> Result<(), RestoreError> {
    let mut lease = read.clone();
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_ref().is_some_and(|holder| !holder.is_empty()) {
        return Err(RestoreError::Raced);
    }
    spec.holder_identity = Some(fence_holder(reason));
    spec.acquire_time = Some(MicroTime(now));
    let name = lease.metadata.name.clone().unwrap_or_default();
    leases.replace(&name, &post(), &lease).await?;
    Ok(())
}

/// Makes the ticket that another restore has not made yet, claimed: whoever makes it first decides.
pub(crate) async fn forestall(
    leases: &Api<Lease>,
    holder: &Holder,
    namespace: &str,
    reason: Reason,
) -> Result<(), RestoreError> {
    leases.create(&post(), &objects::fenced_lease(holder, Some(namespace), reason)).await?;
    Ok(())
}
