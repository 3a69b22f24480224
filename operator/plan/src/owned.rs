//! What the objects of ours have in common: owner, labels, and the right to write exactly one ticket.

use api::names;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

/// Longest value of a label.
const LABEL_VALUE: usize = 63;

/// API group of Roles and their bindings.
const RBAC: &str = "rbac.authorization.k8s.io";

/// The right to read and write the one ticket of this name.
pub(crate) fn role(metadata: ObjectMeta) -> Role {
    let ticket = metadata.name.clone().unwrap_or_default();
    Role {
        metadata,
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec!["coordination.k8s.io".to_owned()]),
            resources: Some(vec!["leases".to_owned()]),
            resource_names: Some(vec![ticket]),
            verbs: vec!["get".to_owned(), "update".to_owned()],
            ..PolicyRule::default()
        }]),
    }
}

/// Gives the Role of the same name to a `ServiceAccount`.
pub(crate) fn role_binding(metadata: ObjectMeta, account: String) -> RoleBinding {
    let (name, namespace) = (metadata.name.clone().unwrap_or_default(), metadata.namespace.clone());
    RoleBinding {
        metadata,
        role_ref: RoleRef { api_group: RBAC.to_owned(), kind: "Role".to_owned(), name },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: account,
            namespace,
            ..Subject::default()
        }]),
    }
}

/// A `ServiceAccount` for server-side apply: what others add to it stays.
pub(crate) fn service_account(
    name: String,
    labels: BTreeMap<String, String>,
    cluster: &ObjectMeta,
) -> ServiceAccount {
    ServiceAccount {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: cluster.namespace.clone(),
            labels: Some(labels),
            // Not as controller: another operator may have made it for the same cluster.
            owner_references: Some(vec![owner("OpenBaoCluster", cluster, None)]),
            ..ObjectMeta::default()
        },
        ..ServiceAccount::default()
    }
}

/// Whose it is, of which cluster, and for what.
pub(crate) fn labels(cluster: &str, component: &str) -> BTreeMap<String, String> {
    [
        (names::MANAGED_BY, names::MANAGER),
        (names::CLUSTER_LABEL, &cluster_label(cluster)),
        (names::COMPONENT_LABEL, component),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// The name of a cluster, cut so that it is the value of a label.
#[must_use]
pub fn cluster_label(cluster: &str) -> String {
    let cut: String = cluster.chars().take(LABEL_VALUE).collect();
    cut.trim_end_matches(['-', '.']).to_owned()
}

/// Without `blockOwnerDeletion`: it would hold up whoever deletes the owner, and needs a right of its own.
pub(crate) fn owner(kind: &str, of: &ObjectMeta, controller: Option<bool>) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", api::GROUP, api::VERSION),
        kind: kind.to_owned(),
        name: of.name.clone().unwrap_or_default(),
        uid: of.uid.clone().unwrap_or_default(),
        controller,
        block_owner_deletion: None,
    }
}
