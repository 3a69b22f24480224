//! The objects that a restore makes beside its Jobs: tickets, and the right to write exactly one of them each.

use super::{Observed, Stage, fence_holder};
use crate::owned::{self, owner};
use api::conditions::Reason;
use api::lock::Holder;
use api::{OpenBaoCluster, OpenBaoRestore, names};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Name of the Job, ticket, Role and `RoleBinding` of a stage.
#[must_use]
pub fn name(seen: &Observed, stage: Stage) -> String {
    match stage {
        Stage::Check => names::check_job(seen.name()),
        Stage::Restore => names::restore_job(seen.name()),
        Stage::Prove(n) => names::prove_job(seen.name(), n),
    }
}

/// The ticket of a stage, unclaimed.
#[must_use]
pub fn lease(seen: &Observed, stage: Stage) -> Lease {
    Lease { metadata: metadata(seen, stage), spec: None }
}

/// The ticket of another restore, as the operator makes it where that has made none: claimed.
#[must_use]
pub fn fenced_lease(holder: &Holder, namespace: Option<&str>, reason: Reason) -> Lease {
    let of = ObjectMeta {
        name: Some(holder.name.clone()),
        uid: Some(holder.uid.clone()),
        ..ObjectMeta::default()
    };
    Lease {
        metadata: ObjectMeta {
            name: Some(names::restore_job(&holder.name)),
            namespace: namespace.map(str::to_owned),
            annotations: Some(BTreeMap::from([(names::REQUEST_UID.to_owned(), holder.uid.clone())])),
            owner_references: Some(vec![owner("OpenBaoRestore", &of, Some(true))]),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec { holder_identity: Some(fence_holder(reason)), ..LeaseSpec::default() }),
    }
}

/// The right to read and write the ticket of a stage.
#[must_use]
pub fn role(seen: &Observed, stage: Stage) -> Role {
    owned::role(metadata(seen, stage))
}

/// Gives that right to the `ServiceAccount` of the cluster's restores.
#[must_use]
pub fn role_binding(seen: &Observed, stage: Stage) -> RoleBinding {
    owned::role_binding(metadata(seen, stage), names::restore_service_account(&seen.request.spec.cluster))
}

/// The `ServiceAccount` of the cluster's restores, for server-side apply: what others add to it stays.
#[must_use]
pub fn service_account(request: &OpenBaoRestore, cluster: &OpenBaoCluster) -> ServiceAccount {
    let name = names::restore_service_account(&request.spec.cluster);
    owned::service_account(name, labels(request), &cluster.metadata)
}

/// Name, labels, owner and request of whatever belongs to one stage.
pub(super) fn metadata(seen: &Observed, stage: Stage) -> ObjectMeta {
    ObjectMeta {
        name: Some(name(seen, stage)),
        namespace: seen.request.metadata.namespace.clone(),
        labels: Some(labels(&seen.request)),
        annotations: Some(BTreeMap::from([(names::REQUEST_UID.to_owned(), seen.uid().to_owned())])),
        owner_references: Some(vec![owner("OpenBaoRestore", &seen.request.metadata, Some(true))]),
        ..ObjectMeta::default()
    }
}

pub(super) fn labels(request: &OpenBaoRestore) -> BTreeMap<String, String> {
    owned::labels(&request.spec.cluster, "restore")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::tests::seen;

    #[test]
    fn everything_of_a_stage_has_one_name_one_owner_and_the_request() {
        let seen = seen();
        for stage in [Stage::Check, Stage::Restore, Stage::Prove(1)] {
            let all = [
                lease(&seen, stage).metadata,
                role(&seen, stage).metadata,
                role_binding(&seen, stage).metadata,
            ];
            for metadata in all {
                assert_eq!(metadata.name.as_deref(), Some(name(&seen, stage).as_str()));
                assert_eq!(metadata.annotations.unwrap()[names::REQUEST_UID], "u-1");
                let owner = &metadata.owner_references.unwrap()[0];
                assert_eq!((owner.uid.as_str(), owner.controller), ("u-1", Some(true)));
                assert_eq!(owner.block_owner_deletion, None);
            }
        }
    }

    /// A wider right would let one pod claim another's ticket.
    #[test]
    fn a_role_reaches_its_own_ticket_only() {
        let rules = role(&seen(), Stage::Restore).rules.unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].resource_names.as_deref(), Some(&["restore-dr".to_owned()][..]));
        assert_eq!(rules[0].verbs, ["get", "update"]);
    }

    #[test]
    fn a_long_name_of_a_cluster_still_makes_a_label() {
        let mut seen = seen();
        seen.request.spec.cluster = format!("{}.{}", "a".repeat(62), "b".repeat(80));
        assert_eq!(labels(&seen.request)[names::CLUSTER_LABEL], "a".repeat(62));
    }
}
