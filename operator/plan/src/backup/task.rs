//! What the Job at work is told to do.

use super::Observed;
use super::observed::Work;
use crate::servers::servers;
use api::duration;
use api::task::{
    BackupOrder, Keep, Login, MAX_BYTES, Problem, Request, Task, TaskKind, Ticket, WIRE_VERSION,
};
use api::{BackupSpec, OpenBaoCluster};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Role and mount that `selfInit.oidc` makes.
const SELF_INIT: (&str, &str) = ("openbao-operator-backup", "jwt-operator");
/// Mount where the cluster names none.
const MOUNT: &str = "jwt";
/// How long after it was resumed a pod may still claim its ticket.
const CLAIMED_WITHIN: SignedDuration = SignedDuration::from_hours(1);
const NANOSECONDS: i64 = 1_000_000_000;

/// The Task of the Job at work; none while its ticket is not there.
#[must_use]
pub fn task(seen: &Observed, work: &Work, now: Timestamp) -> Option<Task> {
    let (spec, ticket) = (seen.spec()?, seen.run.ticket.as_ref()?);
    let ledger = seen.ledger();
    let mut protected: Vec<String> = seen.restoring.clone();
    protected.extend(seen.status().pre_upgrade.map(|made| made.key));
    protected.sort();
    protected.dedup();
    let order = BackupOrder {
        refused: None,
        unfinished: ledger.unfinished,
        unconsumed: ledger.unconsumed,
        keep: keep(spec, ledger.kept.as_ref()),
        protected,
    };
    let ticket = Ticket { name: work.job.clone(), uid: ticket.uid.clone() };
    Some(fitted(whole(seen, spec, ticket, order, now)))
}

/// The Task of a Job that cannot be run.
#[must_use]
pub fn refusal(seen: &Observed, job: &str, problem: &Problem, now: Timestamp) -> Option<Task> {
    let ticket = Ticket { name: job.to_owned(), uid: String::new() };
    let order = BackupOrder { refused: Some(problem.clone()), ..BackupOrder::default() };
    Some(whole(seen, seen.spec()?, ticket, order, now))
}

fn whole(seen: &Observed, spec: &BackupSpec, ticket: Ticket, order: BackupOrder, now: Timestamp) -> Task {
    let (name, namespace) = (seen.name().to_owned(), seen.namespace().to_owned());
    Task {
        v: WIRE_VERSION,
        kind: TaskKind::Backup,
        cluster: servers(&seen.cluster, &name, &namespace),
        key: spec.target.backup_folder(&namespace, &name),
        request: Request { namespace, name, uid: seen.uid().to_owned() },
        ticket,
        not_after: Time(now.saturating_add(CLAIMED_WITHIN).unwrap_or(Timestamp::MAX)),
        target: spec.target.clone(),
        sha256: None,
        login: login(&seen.cluster, spec),
        force: false,
        pinned: None,
        origin: None,
        checked: None,
        proof: None,
        backup: Some(order),
    }
}

/// More keys than fit protect the whole folder. Markers that do not fit expire, and nothing is proved by them; uploads are left
/// to a rule of the bucket's life cycle.
fn fitted(mut task: Task) -> Task {
    while serde_json::to_string(&task).is_ok_and(|text| text.len() > MAX_BYTES) {
        let Some(order) = &mut task.backup else { break };
        if order.protected.len() > 1 {
            order.protected = vec![task.key.clone()];
        } else if order.unconsumed.pop().is_none() && order.unfinished.pop().is_none() {
            break;
        }
    }
    task
}

/// The JWT role wins where both are given, as the warning of admission says.
pub(super) fn login(cluster: &OpenBaoCluster, spec: &BackupSpec) -> Option<Login> {
    let mount = || spec.jwt_auth_mount.clone();
    if let Some(role) = spec.jwt_auth_role.clone() {
        return Some(Login::Jwt { mount: mount().unwrap_or_else(|| MOUNT.to_owned()), role });
    }
    if let Some(token) = &spec.token_secret_ref {
        return Some(Login::Token { key: token.key.clone() });
    }
    let oidc = cluster.spec.self_init.as_ref().and_then(|init| init.oidc.as_ref()?.enabled);
    let (role, made) = SELF_INIT;
    (oidc == Some(true))
        .then(|| Login::Jwt { mount: mount().unwrap_or_else(|| made.to_owned()), role: role.to_owned() })
}

/// The limits of the policy; none if it has none.
pub(super) fn keep(spec: &BackupSpec, before: Option<&Keep>) -> Option<Keep> {
    let limits = limits(spec);
    let has_any = limits.max_count.is_some() || limits.max_age_seconds.is_some();
    let tightened = before.is_some_and(|before| is_tighter(&limits, before));
    has_any.then_some(Keep { tightened, ..limits })
}

/// As the next good backup remembers them.
pub(super) fn limits(spec: &BackupSpec) -> Keep {
    let retention = spec.retention.clone().unwrap_or_default();
    let count = retention.max_count.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
    let age = retention.max_age.as_deref().and_then(duration::parse).map(|age| age / NANOSECONDS);
    Keep { max_count: count, max_age_seconds: age.filter(|age| *age > 0), tightened: false }
}

fn is_tighter(now: &Keep, before: &Keep) -> bool {
    let count = |keep: &Keep| keep.max_count.unwrap_or(u32::MAX);
    let age = |keep: &Keep| keep.max_age_seconds.unwrap_or(i64::MAX);
    count(now) < count(before) || age(now) < age(before)
}

#[cfg(test)]
mod tests;
