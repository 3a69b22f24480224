//! The pod of a restore's Job.

use super::{Observed, Stage};
use crate::pod::{self, Parts};
use api::names;
use api::task::Login;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Bytes of disk beside the snapshot: logs, and what a file system rounds up.
const BESIDE_SNAPSHOT: u64 = 64 << 20;

pub(super) fn spec(
    seen: &Observed,
    stage: Stage,
    login: Option<&Login>,
    deadline: SignedDuration,
) -> PodSpec {
    let request = &seen.request.spec;
    pod::spec(&Parts {
        account: names::restore_service_account(&request.cluster),
        image: request.executor_image.clone().or_else(|| request.image.clone()),
        target: &request.source.target,
        login,
        token: request.token_secret_ref.as_ref(),
        audience: request.audience.as_deref(),
        authority: pod::authority(seen.cluster.as_ref(), &request.cluster),
        staging: (stage == Stage::Restore).then(|| staging_size(seen)),
        networks: &seen.storage_allow_cidrs,
        deadline,
    })
}

/// The snapshot, a tenth more, and what lies beside it.
fn staging_size(seen: &Observed) -> Quantity {
    let size = seen.pinned().map_or(0, |pinned| pinned.size);
    Quantity(size.saturating_add(size / 10).saturating_add(BESIDE_SNAPSHOT).to_string())
}
