use super::*;
use crate::testing::{SNAPSHOT, Store};
use api::task::{Login, Request, Servers, Ticket, WIRE_VERSION};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn task(store: &Store, kind: TaskKind, sha256: Option<&str>) -> String {
    let task = Task {
        v: WIRE_VERSION,
        kind,
        request: Request { namespace: "security".to_owned(), name: "a".to_owned(), uid: "uid".to_owned() },
        ticket: Ticket { name: "check-a".to_owned(), uid: "ticket".to_owned() },
        not_after: Time(Timestamp::UNIX_EPOCH),
        target: store.target.clone(),
        key: "a.snap".to_owned(),
        sha256: sha256.map(ToOwned::to_owned),
        cluster: Servers { addresses: Vec::new(), tls_server_name: None },
        login: Login::Token { key: "token".to_owned() },
        force: false,
        pinned: None,
    };
    serde_json::to_string(&task).unwrap()
}

/// Bug: a pod without a Task, or with one of another release, does something.
#[tokio::test]
async fn without_a_task_it_can_follow_it_refuses() {
    for text in ["", "{}", r#"{"v":2}"#, "no JSON"] {
        let report = run(text, Path::new("/nowhere")).await;
        assert_eq!(report.outcome.exit_code(), 1, "{text:?}");
        assert!(report.problems[0].message.contains("did nothing"), "{:?}", report.problems);
    }
}

#[tokio::test]
async fn a_check_pins_what_it_read() {
    let store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    let report = run(&task(&store, TaskKind::Check, None), &store.secrets()).await;
    assert_eq!((report.outcome, report.problems.len()), (Outcome::Done, 0));
    assert_eq!(report.pinned.unwrap().size, SNAPSHOT.len() as u64);
}

#[tokio::test]
async fn a_check_names_the_field_that_is_wrong() {
    let store = Store::start().await;
    let field = async || {
        let report = run(&task(&store, TaskKind::Check, None), &store.secrets()).await;
        assert_eq!(report.outcome, Outcome::Refused);
        report.problems[0].field.clone().unwrap()
    };
    assert_eq!(field().await, "spec.source.key");
    store.put("a.snap", &SNAPSHOT[1..]);
    assert_eq!(field().await, "spec.source.key");
    store.secret("secretAccessKey", "another");
    assert_eq!(field().await, "spec.source.target.credentialsSecretRef");
}

/// Bug: the hash of a request is read and never looked at.
#[tokio::test]
async fn an_object_with_another_hash_is_refused() {
    let store = Store::start().await;
    store.put("a.snap", SNAPSHOT);
    let right = "969F10CF7174550F5B1135F7DDCA45FFAA93A742A57D7DD3715188BFE105C7DF";
    let report = run(&task(&store, TaskKind::Check, Some(right)), &store.secrets()).await;
    assert_eq!(report.outcome, Outcome::Done);
    let report = run(&task(&store, TaskKind::Check, Some(&"0".repeat(64))), &store.secrets()).await;
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(report.problems[0].field.as_deref(), Some("spec.source.sha256"));
    assert_eq!(report.pinned.unwrap().sha256, right.to_lowercase());
}

#[tokio::test]
async fn other_kinds_are_refused_as_not_done() {
    let store = Store::start().await;
    for kind in [TaskKind::Restore, TaskKind::Prove, TaskKind::Backup] {
        let report = run(&task(&store, kind, None), &store.secrets()).await;
        assert_eq!(report.outcome.exit_code(), 1);
        assert!(report.problems[0].message.contains("nothing was done"));
    }
}
