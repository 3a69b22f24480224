//! The Lease of an OpenBao, and what is known of the request that holds it, in whatever namespace.

use super::Reader;
use crate::restore::RestoreError;
use api::lock::{Holder, Operation};
use api::names;
use api::task::Checked;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::Api;
use plan::restore::arbiter::{ArbiterHolder, ArbiterSeen, lease_name};

/// The Lease of the OpenBao that was checked, in the operator's own namespace; beside it as it was read.
pub(super) async fn look(
    client: &Client,
    namespace: &str,
    checked: Option<&Checked>,
) -> Result<(Option<ArbiterSeen>, Option<Lease>), RestoreError> {
    let Some(checked) = checked else { return Ok((None, None)) };
    let leases = Api::<Lease>::namespaced(client.clone(), namespace);
    let Some(lease) = leases.get_opt(&lease_name(&checked.identity)).await? else { return Ok((None, None)) };
    let written = lease.metadata.annotations.as_ref().and_then(|all| all.get(names::HOLDER));
    let holder = written.and_then(|text| serde_json::from_str::<ArbiterHolder>(text).ok());
    let owner = match &holder {
        Some(ArbiterHolder { namespace, name, uid, .. }) => {
            let holder = Holder { operation: Operation::Restore, name: name.clone(), uid: uid.clone() };
            Reader { client, namespace }.owner(&holder).await?.0
        }
        None => None,
    };
    Ok((Some(ArbiterSeen { holder, owner }), Some(lease)))
}
