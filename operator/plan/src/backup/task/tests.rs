use super::*;
use crate::backup::tests::world;
use api::conditions::Reason;
use api::task::Upload;
use serde_json::{Value, json};

const NOW: &str = "2026-03-20T03:00:00Z";

/// A cluster with this beside the target in its `spec.backup`, and this beside that.
fn seen(backup: &Value, spec: &Value) -> Observed {
    let mut cluster = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "c", "namespace": "n", "uid": "c-1"},
        "spec": {"replicas": 1, "backup": {"target": {"bucket": "backups"}}},
    });
    for (at, more) in [("/spec/backup", backup), ("/spec", spec)] {
        let object = cluster.pointer_mut(at).unwrap().as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
    }
    world::seen(serde_json::from_value(cluster).unwrap())
}

/// Bug: a backup logs in as somebody else, or not at all.
#[test]
fn a_backup_logs_in_as_the_cluster_says() {
    let oidc = |enabled: bool| json!({"selfInit": {"oidc": {"enabled": enabled}}});
    let jwt = |mount: &str, role: &str| Some(Login::Jwt { mount: mount.to_owned(), role: role.to_owned() });
    let (role, token) = (json!({"jwtAuthRole": "r"}), json!({"tokenSecretRef": {"name": "s", "key": "k"}}));
    let both = json!({"jwtAuthRole": "r", "jwtAuthMount": "m", "tokenSecretRef": {"name": "s"}});
    for (backup, spec, expected) in [
        (role, oidc(true), jwt("jwt", "r")),
        (both, json!({}), jwt("m", "r")),
        (token, oidc(true), Some(Login::Token { key: "k".to_owned() })),
        (json!({}), oidc(true), jwt("jwt-operator", "openbao-operator-backup")),
        (json!({"jwtAuthMount": "m"}), oidc(true), jwt("m", "openbao-operator-backup")),
        (json!({}), oidc(false), None),
        (json!({}), json!({}), None),
    ] {
        let seen = seen(&backup, &spec);
        assert_eq!(login(&seen.cluster, seen.spec().unwrap()), expected, "{backup} {spec}");
    }
}

/// Bug: a limit of 0 deletes everything, one of the two is not followed without the other, or one that was loosened is
/// taken for one that was tightened.
#[test]
fn limits_are_followed_as_they_are_given() {
    let limits = |count: Option<u32>, age: Option<i64>, tightened| {
        Some(Keep { max_count: count, max_age_seconds: age, tightened })
    };
    let before = Keep { max_count: Some(7), max_age_seconds: Some(3600), tightened: true };
    for (retention, expected) in [
        (json!({}), None),
        (json!({"maxCount": 0}), None),
        (json!({"maxAge": "0s"}), None),
        (json!({"maxCount": 9}), limits(Some(9), None, false)),
        (json!({"maxAge": "2h"}), limits(None, Some(7200), false)),
        (json!({"maxCount": 7, "maxAge": "1h"}), limits(Some(7), Some(3600), false)),
        (json!({"maxCount": 9, "maxAge": "30m"}), limits(Some(9), Some(1800), true)),
        (json!({"maxCount": 6, "maxAge": "2h"}), limits(Some(6), Some(7200), true)),
    ] {
        let seen = seen(&json!({"retention": retention}), &json!({}));
        assert_eq!(keep(seen.spec().unwrap(), Some(&before)), expected, "{retention}");
    }
}

/// Bug: a Job that has to be given up is not told why, or acts by a ticket.
#[test]
fn a_refusal_says_why_and_has_no_ticket() {
    let message = "It waited too long.".to_owned();
    let problem = Problem { reason: Reason::LockHeldByOther, field: None, message };
    let task = refusal(&seen(&json!({}), &json!({})), "manual-1", &problem, NOW.parse().unwrap()).unwrap();
    assert_eq!((task.ticket.uid.as_str(), task.backup.unwrap().refused), ("", Some(problem)));
}

fn cut(unfinished: Vec<Upload>, protected: Vec<String>) -> (usize, BackupOrder) {
    cut_order(BackupOrder { unfinished, protected, ..BackupOrder::default() })
}

fn cut_order(order: BackupOrder) -> (usize, BackupOrder) {
    let keep = Some(Keep { max_count: Some(7), max_age_seconds: None, tightened: false });
    let order = BackupOrder { keep, ..order };
    let (seen, ticket) = (seen(&json!({}), &json!({})), Ticket { name: "t".to_owned(), uid: "u".to_owned() });
    let task = fitted(whole(&seen, seen.spec().unwrap(), ticket, order, NOW.parse().unwrap()));
    let size = serde_json::to_string(&task).unwrap().len();
    assert!(size <= MAX_BYTES, "{size}");
    (size, task.backup.unwrap())
}

/// Bug: a Task that is too long for an annotation stops backups for good; or one that is not loses what it has to say.
#[test]
fn a_task_is_cut_only_where_it_is_too_long() {
    let upload = |size: usize| Upload { key: "x".repeat(size), id: "i".to_owned() };
    let (bare, _) = cut(vec![upload(0)], Vec::new());
    for (long, left) in [(0, 1), (MAX_BYTES - bare, 1), (MAX_BYTES - bare + 1, 0)] {
        let (_, order) = cut(vec![upload(long)], vec![]);
        assert_eq!((order.unfinished.len(), order.keep.is_some()), (left, true), "{long} bytes more");
    }
}

/// Bug: markers that nobody could consume stop backups for good, or leave parts in the store.
#[test]
fn markers_go_from_a_task_before_uploads_do() {
    let unfinished = vec![Upload { key: "x".repeat(3_000), id: "i".to_owned() }];
    let unconsumed: Vec<_> = (1..=8).map(world::marker).collect();
    let order = BackupOrder { unfinished, unconsumed: unconsumed.clone(), ..BackupOrder::default() };
    let (_, left) = cut_order(order);
    assert_eq!(left.unfinished.len(), 1);
    assert!(!left.unconsumed.is_empty() && unconsumed.starts_with(&left.unconsumed), "{left:?}");
    assert!(left.unconsumed.len() < unconsumed.len());
}

/// Bug: many restores that wait stop the backups, or lose what they are waiting for.
#[test]
fn more_restores_than_can_be_named_protect_everything() {
    let upload = Upload { key: "n/c/x.snap".to_owned(), id: "i".to_owned() };
    let keys = |count: usize| (0..count).map(|number| format!("n/c/{number:0>40}.snap")).collect::<Vec<_>>();
    let (_, order) = cut(vec![upload.clone()], keys(10));
    assert_eq!(order.protected, keys(10));
    let (_, order) = cut(vec![upload.clone()], keys(200));
    assert_eq!((order.protected, order.unfinished), (vec!["n/c/".to_owned()], vec![upload]));
}
