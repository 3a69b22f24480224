//! What a Job of a restore is told to do, and how long it may take.

use super::{Observed, Stage, objects, proving};
use crate::proof::{SLOWEST, read_timeout};
use crate::servers::servers;
use api::OpenBaoRestoreSpec;
use api::task::{Login, Request, Task, TaskKind, Ticket, WIRE_VERSION};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How long a check may take: a day of reading, and an hour for the rest of it.
const CHECK: SignedDuration = SignedDuration::from_hours(25);

/// How long a proof may take: its executor asks for a minute.
const PROOF: SignedDuration = SignedDuration::from_mins(3);

/// What a restore may take beside moving the snapshot and proving it.
const BESIDE_MOVING: SignedDuration = SignedDuration::from_mins(10);

/// How long it looks for the proof.
const PROVES: SignedDuration = SignedDuration::from_mins(10);

/// The Task of a stage; none while its cluster, its ticket, or what the check pinned is not there.
#[must_use]
pub fn task(seen: &Observed, stage: Stage, now: Timestamp) -> Option<Task> {
    let (cluster, ticket) = (seen.cluster.as_ref()?, seen.run(stage).ticket.as_ref()?);
    let spec = &seen.request.spec;
    let namespace = seen.request.metadata.namespace.clone().unwrap_or_default();
    let (kind, login) = match stage {
        Stage::Check => (TaskKind::Check, Some(login(spec)?)),
        Stage::Restore => (TaskKind::Restore, Some(login(spec)?)),
        Stage::Prove(_) => (TaskKind::Prove, None),
    };
    let of_restore = stage == Stage::Restore;
    let pinned = if of_restore { Some(seen.pinned()?.clone()) } else { None };
    let check = seen.check.report().filter(|_| of_restore);
    let proof = if kind == TaskKind::Prove { Some(proving::question(seen, now)?) } else { None };
    Some(Task {
        v: WIRE_VERSION,
        kind,
        cluster: match (kind, &seen.restore.ticket.as_ref().and_then(|ticket| ticket.claim.as_ref())) {
            (TaskKind::Prove, Some(claimed)) => claimed.servers.clone(),
            _ => servers(cluster, &spec.cluster, &namespace),
        },
        request: Request { namespace, name: seen.name().to_owned(), uid: seen.uid().to_owned() },
        ticket: Ticket { name: objects::name(seen, stage), uid: ticket.uid.clone() },
        not_after: Time(if kind == TaskKind::Prove { Timestamp::MAX } else { not_after(seen, stage) }),
        target: spec.source.target.clone(),
        key: spec.source.key.clone(),
        sha256: spec.source.sha256.clone(),
        login,
        force: spec.force,
        pinned,
        origin: check.and_then(|report| report.origin.clone()),
        checked: check.and_then(|report| report.checked.clone()),
        proof,
        backup: None,
    })
}

/// How long the executor gives itself, from its start.
pub(super) fn budget(seen: &Observed, stage: Stage) -> SignedDuration {
    match stage {
        Stage::Check => CHECK,
        Stage::Prove(_) => PROOF,
        Stage::Restore => {
            let size = seen.pinned().map_or(0, |pinned| pinned.size);
            let seconds = i64::try_from(size.div_ceil(SLOWEST)).unwrap_or(i64::MAX);
            [SignedDuration::from_secs(seconds), read_timeout(size), PROVES]
                .into_iter()
                .fold(BESIDE_MOVING, SignedDuration::saturating_add)
        }
    }
}

/// The instant after which no pod may claim: whatever an old copy of the request is brought back with, it is over.
pub(super) fn not_after(seen: &Observed, stage: Stage) -> Timestamp {
    let created =
        seen.request.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let starting = SignedDuration::from_secs(seen.request.spec.starting_deadline_seconds);
    created.checked_add(starting.saturating_add(budget(seen, stage))).unwrap_or(Timestamp::MAX)
}

/// The JWT role wins where both are given, as the warning of admission says.
fn login(spec: &OpenBaoRestoreSpec) -> Option<Login> {
    let token = || spec.token_secret_ref.as_ref().map(|token| Login::Token { key: token.key.clone() });
    let jwt = |role: &String| Login::Jwt { mount: spec.jwt_auth_mount.clone(), role: role.clone() };
    spec.jwt_auth_role.as_ref().map(jwt).or_else(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::tests::{seen, start};
    use api::task::MAX_BYTES;

    #[test]
    fn a_check_needs_a_ticket_and_a_restore_what_the_check_pinned() {
        let mut seen = seen();
        assert!(task(&seen, Stage::Check, start()).is_some());
        assert_eq!(task(&seen, Stage::Restore, start()).unwrap().pinned.unwrap().size, 5);
        seen.check.ticket = None;
        assert_eq!((task(&seen, Stage::Check, start()), task(&seen, Stage::Restore, start())), (None, None));
    }

    #[test]
    fn every_server_is_named_and_named_addresses_win() {
        let mut seen = seen();
        let servers = task(&seen, Stage::Check, start()).unwrap().cluster;
        assert_eq!(servers.addresses.len(), 3);
        assert_eq!(servers.addresses[2], "https://c-2.c.n.svc:8200");
        let addresses = vec!["https://bao.example:8200".to_owned()];
        let connection = api::Connection { addresses: addresses.clone(), ..Default::default() };
        seen.cluster.as_mut().unwrap().spec.connection = Some(connection);
        assert_eq!(task(&seen, Stage::Check, start()).unwrap().cluster.addresses, addresses);
    }

    #[test]
    fn a_claim_ends_with_the_start_and_the_work_that_the_request_allows() {
        let mut seen = seen();
        let until = |seen: &Observed, stage| task(seen, stage, start()).unwrap().not_after.0.to_string();
        assert_eq!(until(&seen, Stage::Check), "2026-03-21T05:00:00Z");
        assert_eq!(until(&seen, Stage::Restore), "2026-03-20T04:35:01Z");
        seen.request.spec.starting_deadline_seconds = i64::MAX;
        assert_eq!(task(&seen, Stage::Check, start()).unwrap().not_after.0, Timestamp::MAX);
    }

    #[test]
    fn a_task_of_everyday_names_fits_its_annotation() {
        let mut seen = seen();
        seen.request.spec.source.key = format!("{}.snap", "k".repeat(500));
        let text = serde_json::to_string(&task(&seen, Stage::Restore, start()).unwrap()).unwrap();
        assert!(text.len() < MAX_BYTES / 2, "{}", text.len());
    }
}
