//! Reads the world for one request. Every read goes to the API server, none to a watch cache.

mod arbiter;
mod reader;
pub(crate) mod seen;

use super::{Home, RestoreError};
use api::{OpenBaoCluster, OpenBaoRestore, names};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject};
use kube::{Client, CustomResourceExt};
use plan::restore::{Observed, proof_number};
pub(crate) use reader::{Found, Reader};
use rules::address::Networks;
use rules::{Kind, Subject};
use serde_json::Value;

/// What one look found.
pub(super) struct Look {
    pub(super) seen: Observed,
    /// The ticket of the restore as it was read, for a write over exactly that.
    pub(super) ticket: Option<Lease>,
    /// The ticket of another restore that holds the lock, likewise.
    pub(super) rival_ticket: Option<Lease>,
    /// The Lease of the OpenBao that was checked, likewise.
    pub(super) arbiter: Option<Lease>,
}

/// Looks at a request and all that concerns it; none when it is gone.
pub(super) async fn look(
    client: &Client,
    home: &Home,
    namespace: &str,
    name: &str,
) -> Result<Option<Look>, RestoreError> {
    let Home { networks, namespace: own_namespace } = home;
    let restores =
        Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &OpenBaoRestore::api_resource());
    let Some(object) = restores.get_opt(name).await? else { return Ok(None) };
    let raw = serde_json::to_value(object).map_err(RestoreError::Unreadable)?;
    let request: OpenBaoRestore = serde_json::from_value(raw.clone()).map_err(RestoreError::Unreadable)?;
    let uid = request.metadata.uid.clone().unwrap_or_default();
    let clusters = Api::<OpenBaoCluster>::namespaced(client.clone(), namespace);
    let namespaces = Api::<Namespace>::all(client.clone());
    let reader = Reader { client, namespace };
    let proof = async {
        match proof_number(&request) {
            Some(n) => reader.run(&names::prove_job(name, n), &uid).await,
            None => Ok(Found::default()),
        }
    };
    let (check, restore) = (names::check_job(name), names::restore_job(name));
    let (cluster, around, check, restore, proof) = tokio::try_join!(
        async { Ok(clusters.get_opt(&request.spec.cluster).await?) },
        async { Ok::<_, RestoreError>(namespaces.get_opt(namespace).await?) },
        reader.run(&check, &uid),
        reader.run(&restore, &uid),
        proof,
    )?;
    let (rival, rival_ticket) = reader.rival(cluster.as_ref(), &uid).await?;
    let (arbiter, arbiter_lease) = arbiter::look(client, own_namespace, check.run.checked()).await?;
    let seen = Observed {
        judgement: judgement(&raw, &request, namespace, networks),
        storage_allow_cidrs: networks.to_string(),
        namespace_terminating: around.is_none_or(|around| around.metadata.deletion_timestamp.is_some()),
        request,
        cluster,
        check: check.run,
        restore: restore.run,
        proof: proof.run,
        rival,
        arbiter,
    };
    Ok(Some(Look { seen, ticket: restore.ticket, rival_ticket, arbiter: arbiter_lease }))
}

/// What the law has against the request as it was created, and what admission would have filled in.
fn judgement(raw: &Value, request: &OpenBaoRestore, namespace: &str, networks: &Networks) -> Option<String> {
    let verdict = rules::judge(&Subject::new(Kind::Restore, namespace, raw, None, networks));
    if verdict.is_refused() {
        return Some(format!("The request breaks the rules of admission: {}.", verdict.message()));
    }
    let spec = &request.spec;
    let lacks_image = spec.executor_image.is_none() && spec.image.is_none();
    let lacks_audience = spec.jwt_auth_role.is_some() && spec.audience.is_none();
    let missing = [(lacks_image, "spec.executorImage"), (lacks_audience, "spec.audience")];
    let missing: Vec<&str> =
        missing.into_iter().filter_map(|(lacks, field)| lacks.then_some(field)).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "{} is not set: the admission webhook, which fills it in, was not asked when the request was created.",
            missing.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_admission_fills_in_is_missed_when_it_was_absent() {
        let mut raw = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore", "metadata": {"name": "r"},
            "spec": {"cluster": "c", "jwtAuthRole": "r", "source": {"key": "k", "target": {"bucket": "bucket"}}}
        });
        let networks = Networks::default();
        let judged =
            |raw: &Value| judgement(raw, &serde_json::from_value(raw.clone()).unwrap(), "n", &networks);
        let message = judged(&raw).unwrap();
        assert!(message.contains("spec.executorImage and spec.audience"), "{message}");
        raw["spec"]["image"] = json!("i");
        raw["spec"]["audience"] = json!("a");
        assert_eq!(judged(&raw), None);
    }
}
