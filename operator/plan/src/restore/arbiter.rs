//! One OpenBao, one operation: a Lease for each leader of an OpenBao, in the operator's own namespace. Two
//! `OpenBaoCluster`s with the same servers find the same one. Restores of one `OpenBaoCluster` exclude each other by its
//! lock, so among them the Lease goes to whoever is about to take that.

use super::draft::{Draft, Truth};
use super::{Observed, Rival, Rung, Step, Waiting};
use crate::lock::{self, Orphan};
use api::conditions::{ConditionType, Reason};
use api::names;
use api::task::Identity;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A request that holds an OpenBao: the annotation [`names::HOLDER`], as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArbiterHolder {
    /// Its namespace.
    pub namespace: String,
    /// The `OpenBaoCluster` that it names.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// The Lease of an OpenBao.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArbiterSeen {
    /// Who holds it; none: it cannot be read, and nobody is there who could.
    pub holder: Option<ArbiterHolder>,
    /// What is known of that request.
    pub owner: Option<Rival>,
}

/// Name of the Lease of an OpenBao: a clone has the cluster id of its source, and is active since another time.
#[must_use]
pub fn lease_name(identity: &Identity) -> String {
    format!("openbao-{}", names::hash(&format!("{}\0{}", identity.cluster_id, identity.active_time)))
}

/// The Lease as this request takes it.
#[must_use]
pub fn lease(seen: &Observed) -> Option<Lease> {
    let holder = serde_json::to_string(&own(seen)).ok()?;
    Some(Lease {
        metadata: ObjectMeta {
            name: Some(lease_name(&seen.checked()?.identity)),
            labels: Some(BTreeMap::from([(names::MANAGED_BY.to_owned(), names::MANAGER.to_owned())])),
            annotations: Some(BTreeMap::from([(names::HOLDER.to_owned(), holder)])),
            ..ObjectMeta::default()
        },
        spec: None,
    })
}

fn own(seen: &Observed) -> ArbiterHolder {
    ArbiterHolder {
        namespace: seen.request.metadata.namespace.clone().unwrap_or_default(),
        cluster: seen.request.spec.cluster.clone(),
        name: seen.name().to_owned(),
        uid: seen.uid().to_owned(),
    }
}

/// Whether this request holds it.
pub(super) fn is_ours(seen: &Observed) -> bool {
    let holder = seen.arbiter.as_ref().and_then(|arbiter| arbiter.holder.as_ref());
    holder.is_some_and(|holder| holder.uid == seen.uid())
}

/// The lock, once the OpenBao is this request's.
pub(super) fn then_lock(seen: &Observed, draft: &mut Draft) -> Rung {
    let own = own(seen);
    match seen.arbiter.as_ref().map(|arbiter| (&arbiter.holder, &arbiter.owner)) {
        Some((Some(holder), _)) if *holder == own => Rung::Act(Step::TakeLock),
        Some((Some(holder), Some(owner)))
            if (&holder.namespace, &holder.cluster) != (&own.namespace, &own.cluster)
                && lock::orphan(owner, draft.now()) != Orphan::Clear =>
        {
            let message = format!(
                "OpenBaoRestore {} in namespace {} works on the same OpenBao, as OpenBaoCluster {}; this one waits for its \
                 end.",
                holder.name, holder.namespace, holder.cluster
            );
            draft.set(ConditionType::LockHeld, Truth::False, Reason::OpenBaoBusy, &message);
            Rung::Wait(Waiting::OpenBao, message)
        }
        _ => Rung::Act(Step::TakeArbiter),
    }
}
