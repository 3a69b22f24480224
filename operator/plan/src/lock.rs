//! The operation lock of a cluster: how it is taken and given back, when one of ours is cleared, and whether another
//! controller works on the cluster.

use crate::restore::Rival;
use api::conditions::Reason;
use api::lock::Holder;
use api::{OpenBaoCluster, Operation, OperationLock};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, Time};
use serde_json::{Value, json};

/// Another controller that has not been heard of for so long is gone.
pub const SILENT: SignedDuration = SignedDuration::from_mins(10);

/// The lock as a holder of ours takes it.
#[must_use]
pub fn taken(holder: &Holder, cluster: &str, now: Timestamp) -> OperationLock {
    let what = match holder.operation {
        Operation::Restore => "OpenBaoRestore",
        Operation::Backup => "Job",
    };
    let does = match holder.operation {
        Operation::Restore => "overwrites",
        Operation::Backup => "backs up",
    };
    OperationLock {
        operation: holder.operation.as_str().to_owned(),
        holder: holder.operation.holder(&holder.name, &holder.uid),
        message: Some(format!("{what} {} {does} OpenBaoCluster {cluster}.", holder.name)),
        acquired_at: Some(Time(now)),
        renewed_at: None,
    }
}

/// The merge patch of a cluster's status that swaps the lock of exactly the version that was read; none: it is freed.
#[must_use]
pub fn swap(read: &ObjectMeta, lock: Option<&OperationLock>) -> Value {
    // A merge patch leaves what it does not name: the renewal of another holder would stay.
    let lock = lock.map(|lock| {
        let mut value = json!(lock);
        value["renewedAt"] = Value::Null;
        value
    });
    json!({
        "metadata": {"uid": read.uid, "resourceVersion": read.resource_version},
        "status": {"operationLock": lock},
    })
}

/// What to do about a lock of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphan {
    /// Its owner gives it back, or may still act.
    Keep,
    /// Its owner is over, and a pod could still claim its ticket: the operator claims it first.
    Fence,
    /// Its owner is over, and so is everything that knows the lock.
    Clear,
}

/// What to do about a lock of ours, by what is known of its owner.
#[must_use]
pub fn orphan(owner: &Rival, now: Timestamp) -> Orphan {
    match owner {
        Rival::Restore { over: false, .. } | Rival::Backup { job: Some(_), .. } => Orphan::Keep,
        Rival::Restore { ticket: Some(ticket), .. } if ticket.is_free() => Orphan::Fence,
        Rival::Restore { pods_left: true, .. } | Rival::Backup { pods_left: true, .. } => Orphan::Keep,
        Rival::Restore { ticket: Some(ticket), .. } if ticket.may_still_post(now) => Orphan::Keep,
        Rival::Restore { .. } | Rival::Backup { .. } => Orphan::Clear,
    }
}

/// Another controller that backs the cluster up or restores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// By what it is known.
    pub sign: String,
    /// When it was heard of last.
    pub heard: Timestamp,
}

impl Foreign {
    /// Whether it counts as gone.
    #[must_use]
    pub fn is_silent(&self, now: Timestamp) -> bool {
        now.duration_since(self.heard) >= SILENT
    }

    /// Reason and text of the condition on the cluster, and of a restore that waits.
    #[must_use]
    pub fn told(&self, now: Timestamp) -> (Reason, String) {
        if self.is_silent(now) {
            let message = format!("Another controller was here ({}), and has been silent since.", self.sign);
            return (Reason::ForeignSilent, message);
        }
        let message = format!(
            "Another controller works on this cluster: {} at {}. Neither backup nor restore runs until it has been \
             silent for {} min. Stop it, or take backup out of its hands.",
            self.sign,
            self.heard,
            SILENT.as_secs() / 60
        );
        (Reason::ForeignController, message)
    }
}

/// The other controller whose latest sign is the newest, if there is any.
#[must_use]
pub fn foreign(cluster: &OpenBaoCluster) -> Option<Foreign> {
    [foreign_lock(cluster), foreign_backup(cluster)].into_iter().flatten().max_by_key(|sign| sign.heard)
}

/// A lock for our kind of work whose holder is not ours. One for an upgrade is the upgrader's good right.
fn foreign_lock(cluster: &OpenBaoCluster) -> Option<Foreign> {
    let lock = cluster.status.as_ref()?.operation_lock.as_ref()?;
    let is_our_work = [Operation::Restore, Operation::Backup].iter().any(|it| it.as_str() == lock.operation);
    if lock.holder.is_empty() || lock.is_ours() || !is_our_work {
        return None;
    }
    let said = [&lock.acquired_at, &lock.renewed_at].into_iter().flatten().map(|time| time.0).max();
    let written = others(cluster, "f:operationLock").max_by_key(|(_, at)| *at).map(|(_, at)| at);
    let sign = format!("holder {:?} of the lock for {}", lock.holder, lock.operation);
    said.max(written).map(|heard| Foreign { sign, heard })
}

/// Whether we have ever written `status.backup`.
#[must_use]
pub fn is_backup_ours(cluster: &OpenBaoCluster) -> bool {
    entries(cluster, "f:backup").any(|(manager, _)| manager == api::names::MANAGER)
}

/// Another manager that wrote `status.backup`. What we have written since says nothing of it: that it is there is the
/// first that we write.
fn foreign_backup(cluster: &OpenBaoCluster) -> Option<Foreign> {
    let (manager, heard) = others(cluster, "f:backup").max_by_key(|(_, at)| *at)?;
    Some(Foreign { sign: format!("manager {manager:?} of status.backup"), heard })
}

fn others<'a>(cluster: &'a OpenBaoCluster, field: &'a str) -> impl Iterator<Item = (&'a str, Timestamp)> {
    entries(cluster, field).filter(|(manager, _)| *manager != api::names::MANAGER)
}

/// Who wrote a field of the status, and when last.
fn entries<'a>(cluster: &'a OpenBaoCluster, field: &'a str) -> impl Iterator<Item = (&'a str, Timestamp)> {
    let all = cluster.metadata.managed_fields.as_deref().unwrap_or_default();
    let wrote = move |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0["f:status"][field]);
        fields.is_some_and(|field| !field.is_null())
    };
    all.iter().filter(wrote).filter_map(|entry| Some((entry.manager.as_deref()?, entry.time.as_ref()?.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::TicketSeen;

    const HOUR: &str = "2026-03-20T03:00:00Z";

    fn at(minutes: i64) -> Timestamp {
        HOUR.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    fn cluster(status: &Value, managers: &[(&str, &str, i64)]) -> OpenBaoCluster {
        let managed: Vec<Value> = managers
            .iter()
            .map(|(manager, field, minutes)| {
                json!({"manager": manager, "operation": "Update", "subresource": "status",
                       "time": at(*minutes).to_string(), "fieldsV1": {"f:status": {*field: {}}}})
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": "c", "managedFields": managed}, "spec": {}, "status": status
        }))
        .unwrap()
    }

    /// Bug: two controllers back one cluster up, or an upgrade's lock stops restores for ever.
    #[test]
    fn another_controller_is_known_by_what_it_writes() {
        let lock = |operation: &str, holder: &str| json!({"operationLock": {"operation": operation, "holder": holder}});
        let ours = "openbao-recovery";
        for (case, status, managers, heard) in [
            ("nobody", json!({}), vec![], None),
            ("we alone", json!({}), vec![(ours, "f:backup", 0)], None),
            ("another manager", json!({}), vec![("theirs", "f:backup", 3)], Some(3)),
            (
                "another, of whom we have written since",
                json!({}),
                vec![(ours, "f:backup", 5), ("theirs", "f:backup", 3)],
                Some(3),
            ),
            ("another of another field", json!({}), vec![("theirs", "f:phase", 3)], None),
            (
                "a foreign lock for a backup",
                lock("Backup", "x"),
                vec![("theirs", "f:operationLock", 4)],
                Some(4),
            ),
            (
                "a foreign lock for an upgrade",
                lock("Upgrade", "x"),
                vec![("theirs", "f:operationLock", 4)],
                None,
            ),
            (
                "a lock of ours",
                lock("Backup", "openbao-recovery/backup/j/u"),
                vec![("x", "f:operationLock", 4)],
                None,
            ),
        ] {
            let found = foreign(&cluster(&status, &managers)).map(|foreign| foreign.heard);
            assert_eq!(found, heard.map(at), "{case}");
        }
        let renewed =
            json!({"operationLock": {"operation": "Restore", "holder": "x", "renewedAt": at(7).to_string()}});
        assert_eq!(foreign(&cluster(&renewed, &[])).unwrap().heard, at(7));
    }

    #[test]
    fn ten_minutes_of_silence_are_an_end() {
        let foreign = Foreign { sign: "x".to_owned(), heard: at(0) };
        assert_eq!(foreign.told(at(9)).0, Reason::ForeignController);
        assert_eq!(foreign.told(at(10)).0, Reason::ForeignSilent);
    }

    fn doubt() -> api::task::Report {
        api::task::Report::parse(r#"{"v":2,"outcome":"unknown"}"#).unwrap()
    }

    /// Bug: the lock goes while a pod that knows it still runs, or may yet claim its ticket.
    #[test]
    fn a_lock_is_orphaned_when_owner_and_pods_are_over_and_the_ticket_is_dead() {
        let ticket = |holder: &str| TicketSeen { holder: Some(holder.to_owned()), ..TicketSeen::default() };
        let restore = |over, ticket, pods_left| Rival::Restore { over, recorded: None, ticket, pods_left };
        let doubt = TicketSeen { report: Some(doubt()), ..ticket("pod") };
        let job = Some(crate::restore::JobSeen::default());
        for (case, owner, orphan_is) in [
            ("it goes on", restore(false, Some(ticket("")), true), Orphan::Keep),
            ("its ticket is free", restore(true, Some(ticket("")), false), Orphan::Fence),
            ("its pod runs", restore(true, Some(ticket("pod")), true), Orphan::Keep),
            ("its pod may run unseen", restore(true, Some(ticket("pod")), false), Orphan::Keep),
            ("its pod ended in doubt", restore(true, Some(doubt), false), Orphan::Keep),
            ("it is fenced", restore(true, Some(ticket("operator/Abandoned")), false), Orphan::Clear),
            ("nothing is left", restore(true, None, false), Orphan::Clear),
            ("a backup at work", Rival::Backup { job, pods_left: false }, Orphan::Keep),
            ("a backup's pod", Rival::Backup { job: None, pods_left: true }, Orphan::Keep),
            ("a backup that is gone", Rival::Backup { job: None, pods_left: false }, Orphan::Clear),
        ] {
            assert_eq!(orphan(&owner, at(0)), orphan_is, "{case}");
        }
    }

    /// Bug: a swap that names no version wins against whoever was faster.
    #[test]
    fn a_swap_names_the_version_that_was_read() {
        let read = ObjectMeta {
            uid: Some("u".to_owned()),
            resource_version: Some("7".to_owned()),
            ..ObjectMeta::default()
        };
        let holder = Holder { operation: Operation::Restore, name: "dr".to_owned(), uid: "u-1".to_owned() };
        let patch = swap(&read, Some(&taken(&holder, "c", at(0))));
        assert_eq!(patch["metadata"], json!({"uid": "u", "resourceVersion": "7"}));
        let lock = &patch["status"]["operationLock"];
        assert_eq!(
            (&lock["holder"], &lock["renewedAt"]),
            (&json!("openbao-recovery/restore/dr/u-1"), &Value::Null)
        );
        assert_eq!(swap(&read, None)["status"], json!({"operationLock": null}));
    }
}
