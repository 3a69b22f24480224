use super::*;
use crate::testing::task;
use api::task::{Identity, Outcome, TaskKind};
use axum::extract::State;
use axum::http::StatusCode as Status;
use axum::http::header::DATE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The API server's clock, which is not this pod's.
const NOW: &str = "2020-02-20T20:20:20Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// One Lease behind an API server that holds writes to its resourceVersion.
#[derive(Clone)]
struct Server {
    url: String,
    lease: Arc<Mutex<Value>>,
    /// The next write is done, and its answer lost.
    lossy: Arc<Mutex<bool>>,
    /// So many reads are answered with 503.
    away: Arc<Mutex<usize>>,
    folder: Arc<TempDir>,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "t\n").unwrap();
        let lease = json!({
            "metadata": {"name": "check-a", "uid": "ticket", "resourceVersion": "1", "annotations": {"a": "b"}},
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            lease: Arc::new(Mutex::new(lease)),
            lossy: Arc::default(),
            away: Arc::default(),
            folder: Arc::new(folder),
        };
        let path = "/apis/coordination.k8s.io/v1/namespaces/security/leases/check-a";
        let router = Router::new().route(path, get(read).put(write)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// Somebody else writes.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut lease = self.lease.lock().unwrap();
        change(&mut lease);
        let version: u64 = lease["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        lease["metadata"]["resourceVersion"] = json!((version + 1).to_string());
    }

    fn now(&self) -> Value {
        self.lease.lock().unwrap().clone()
    }

    async fn open(&self, pod: &str, not_after: Timestamp) -> Result<Ticket, TicketError> {
        let mut task = task(TaskKind::Check);
        task.not_after.0 = not_after;
        let account = self.folder.path().to_str().unwrap();
        let args = Args::parse_from(["executor", "--pod-uid", pod, "--service-account", account]);
        let http = client(Client::builder().tls_certs_only([])).unwrap();
        Ticket::open_at(http, &self.url, &task, &args).await
    }

    async fn opened(&self, pod: &str) -> Ticket {
        self.open(pod, now() + SignedDuration::from_hours(1)).await.unwrap()
    }
}

async fn read(State(server): State<Server>) -> Result<impl IntoResponse, Status> {
    let mut away = server.away.lock().unwrap();
    if *away > 0 {
        *away -= 1;
        return Err(Status::SERVICE_UNAVAILABLE);
    }
    Ok(([(DATE, "Thu, 20 Feb 2020 20:20:20 GMT")], Json(server.now())))
}

async fn write(State(server): State<Server>, Json(next): Json<Value>) -> Result<Json<Value>, Status> {
    let now = server.now();
    let same = ["uid", "resourceVersion"].iter().all(|key| now["metadata"][key] == next["metadata"][key]);
    if !same {
        return Err(Status::CONFLICT);
    }
    server.change(|lease| *lease = next);
    if std::mem::take(&mut *server.lossy.lock().unwrap()) {
        return Err(Status::INTERNAL_SERVER_ERROR);
    }
    Ok(Json(server.now()))
}

fn holder(lease: &Value) -> &Value {
    &lease["spec"]["holderIdentity"]
}

/// What a restore claims at this time of the API server.
fn claim(now: Timestamp) -> api::task::Claim {
    let identity = Identity { cluster_id: "ours".to_owned(), active_time: "y".to_owned(), raft_index: 7 };
    api::task::Claim {
        marker: "s.m".to_owned(),
        expires: Time("2099-01-01T00:00:00Z".parse().unwrap()),
        origin: None,
        leader: "x".to_owned(),
        identity,
        nothing_after: Time(now + SignedDuration::from_mins(30)),
    }
}

/// Bug: a rollback of etcd takes the claim away, and the operator calls a restore not applied that was.
#[tokio::test]
async fn a_claim_that_a_rollback_took_away_is_written_again() {
    let server = Server::start().await;
    let mut ticket = server.opened("pod").await;
    let before = server.now();
    let claimed = |now| Some(Claimed { claim: claim(now), servers: task(TaskKind::Restore).cluster });
    ticket.claim(claimed).await.unwrap();
    server.change(|lease| {
        *lease = before;
        lease["metadata"]["resourceVersion"] = json!("7");
    });
    ticket.leave("{}", &Progress::default()).await.unwrap();
    let lease = server.now();
    assert_eq!(holder(&lease), "pod");
    let annotations = &lease["metadata"]["annotations"];
    assert!(annotations[names::CLAIM].as_str().unwrap().contains("s.m"));
    assert_eq!(annotations[names::REPORT], "{}");
}

/// Bug: two pods of one Job both act.
#[tokio::test]
async fn whoever_claims_first_is_the_only_one() {
    let server = Server::start().await;
    let (mut first, mut second) = (server.opened("first").await, server.opened("second").await);
    let claimed = |now| Some(Claimed { claim: claim(now), servers: task(TaskKind::Restore).cluster });
    first.claim(claimed).await.unwrap();
    let lease = server.now();
    assert_eq!(holder(&lease), "first");
    let left: Claimed =
        serde_json::from_str(lease["metadata"]["annotations"][names::CLAIM].as_str().unwrap()).unwrap();
    assert_eq!(left.claim, claim(now()));
    let lost = second.claim(|_| None).await.unwrap_err();
    assert!(matches!(&lost, TicketError::ClaimedBy(holder) if holder == "first"), "{lost}");
    assert_eq!(lost.outcome(), Outcome::Unknown);
    second.leave("{}", &Progress::default()).await.unwrap_err();
    assert_eq!(server.now(), lease);
    let late = server.open("first", now() + SignedDuration::from_hours(1)).await;
    assert!(late.is_err(), "a pod that begins anew does not know what it did");
}

#[tokio::test]
async fn a_fence_stops_a_pod_that_has_not_claimed() {
    let server = Server::start().await;
    let mut ticket = server.opened("pod").await;
    server.change(|lease| lease["spec"] = json!({"holderIdentity": "operator/LockLost"}));
    let lost = ticket.beat(&Progress::default()).await;
    assert_eq!(lost.outcome(), Outcome::Refused, "{lost}");
    assert_eq!(ticket.claim(|_| None).await.unwrap_err().outcome(), Outcome::Refused);
    assert_eq!(holder(&server.now()), "operator/LockLost");
}

/// Bug: a claim whose answer was lost is taken for somebody else's, or made a second time.
#[tokio::test]
async fn a_claim_without_an_answer_is_looked_up() {
    let server = Server::start().await;
    let mut ticket = server.opened("pod").await;
    *server.lossy.lock().unwrap() = true;
    ticket.claim(|_| None).await.unwrap();
    assert_eq!(server.now()["metadata"]["resourceVersion"], "2", "one write");
    *server.lossy.lock().unwrap() = true;
    ticket.leave("{}", &Progress::default()).await.unwrap();
    assert_eq!(server.now()["metadata"]["annotations"][names::REPORT], "{}");
}

/// Bug: a hiccup of the API server right before a claim costs a check, or the lock and all that was sent.
#[tokio::test]
async fn a_claim_waits_out_a_hiccup() {
    let server = Server::start().await;
    let mut ticket = server.opened("pod").await;
    *server.away.lock().unwrap() = 2;
    ticket.claim(|_| None).await.unwrap();
    assert_eq!(holder(&server.now()), "pod");
}

#[tokio::test]
async fn nothing_begins_after_its_time_or_without_its_own_ticket() {
    let server = Server::start().await;
    let mut late = server.open("pod", now() - SignedDuration::from_secs(1)).await.unwrap();
    assert!(matches!(late.claim(|_| None).await, Err(TicketError::Expired { .. })));
    let mut ticket = server.opened("pod").await;
    server.change(|lease| lease["metadata"]["uid"] = json!("another"));
    assert!(matches!(ticket.claim(|_| None).await, Err(TicketError::Gone)));
    assert!(holder(&server.now()).is_null());
}

/// Bug: a second pod acts after the first has reported that it was cancelled, and the lock was released.
#[tokio::test]
async fn a_ticket_with_a_report_is_over() {
    let server = Server::start().await;
    let (mut first, mut second) = (server.opened("first").await, server.opened("second").await);
    first.leave("{}", &Progress::default()).await.unwrap();
    assert!(matches!(second.claim(|_| None).await, Err(TicketError::Reported(_))));
    assert!(holder(&server.now()).is_null());
}

/// Bug: a beat claims, or wipes what the operator wrote meanwhile.
#[tokio::test]
async fn a_beat_leaves_everything_else_as_it_is() {
    let server = Server::start().await;
    let mut ticket = server.opened("pod").await;
    server.change(|lease| lease["metadata"]["annotations"][names::JOB_UID] = json!("job"));
    let progress = Progress::default();
    progress.begin(7);
    progress.add(3);
    let written = async {
        while server.now()["spec"]["renewTime"].is_null() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        lost = ticket.beat(&progress) => panic!("{lost}"),
        written = tokio::time::timeout(Duration::from_secs(10), written) => written.unwrap(),
    }
    let lease = server.now();
    assert!(holder(&lease).is_null());
    let annotations = &lease["metadata"]["annotations"];
    assert_eq!(annotations[names::PROGRESS], "3/7");
    assert_eq!((&annotations["a"], &annotations[names::JOB_UID]), (&json!("b"), &json!("job")));
    assert_eq!(lease["spec"]["renewTime"].as_str().unwrap().len(), "2026-11-21T05:15:19.828599Z".len());
}
