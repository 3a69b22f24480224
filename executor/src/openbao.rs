//! OpenBao's servers, each asked by its own address: no Service before several, no redirect, no proxy.

mod connection;
mod each;
mod election;
mod error;
mod listener;
mod marker;
mod seal;
mod session;

pub(crate) use connection::{Connection, Exchange, Heard, Silence, Wire};
pub(crate) use election::{Leader, Seen, elect, leader_of};
pub(crate) use error::OpenBaoError;
pub(crate) use listener::{outlasts, setting};
pub(crate) use marker::Marked;
pub(crate) use seal::{Seal, judge_seal};
pub(crate) use session::{Purpose, SNAPSHOT, SNAPSHOT_FORCE, Session, TOKEN};

use crate::clock::date;
use crate::dial::{Dialer, Guard};
use crate::pem;
use crate::report::fault;
use api::task::Servers;
use election::Health;
pub(crate) use election::Leadership;
use futures::future::join_all;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, retry};
use rules::address::{Address, Door};
use rustls::RootCertStore;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for an answer; a server that is restoring does not answer at all.
const ANSWER: Duration = Duration::from_secs(5);
/// Time between two looks at a server that is behind, or that does not agree with the others.
const LOOK: Duration = Duration::from_millis(250);
/// How long a small request is tried again that changes nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before it is, unless the server says how long it wants to be left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Each of these makes the answer's status 200 whatever the server's state is.
const HEALTH: &str = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200";

/// Who leads, as each server says it.
const LEADER: &str = "sys/leader";

/// Every server of the Task.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
}

/// One server.
#[derive(Clone)]
pub(crate) struct Node {
    /// As the Task has it.
    pub(crate) address: String,
    http: Client,
    base: String,
    way: Way,
}

/// How a connection of our own is made.
#[derive(Clone)]
struct Way {
    dialer: Dialer,
    /// Whose certificate is asked for, and who is told to be asked.
    verified: Address,
    tls: TlsConnector,
}

/// Who is trusted, by clients and by connections of our own.
struct Trust {
    authorities: Vec<Certificate>,
    tls: TlsConnector,
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By the server's clock.
    pub(crate) date: Option<Timestamp>,
    /// Index of the raft log that the server had reached, where it says so.
    pub(crate) index: Option<u64>,
    /// How long it wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// A text, where it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    fn of(status: u16, headers: &HeaderMap, text: &str) -> Self {
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            status,
            date: date(headers),
            index: marker::index(headers),
            retry_after: seconds.map(Duration::from_secs),
            body: serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        }
    }

    /// What it says is wrong, in one line.
    pub(crate) fn fault(&self) -> String {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = errors.iter().chain([&self.body]).filter_map(Value::as_str).collect();
        let text = texts.join("; ").split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{} {text}", self.status).trim_end().to_owned()
    }

    /// How long to wait before the same is asked again, where another answer may come and that was not begun long ago.
    pub(crate) fn pause(&self, begun: Instant) -> Option<Duration> {
        let pause = matches!(self.status, 429 | 502..=504)
            .then(|| self.retry_after.unwrap_or_default().max(PAUSE))?;
        within(pause, begun)
    }

    /// Whether OpenBao itself says what is wrong. What stands before it has pages.
    pub(crate) fn is_own(&self) -> bool {
        self.body["errors"].is_array()
    }
}

impl Cluster {
    /// Clients that trust only the CA in `folder`, and dial what `guard` lets them.
    pub(crate) fn open(servers: &Servers, folder: &Path, guard: &Guard) -> Result<Self, OpenBaoError> {
        let plain = servers.addresses.iter().all(|address| address.starts_with("http://"));
        let trust = if plain { Trust::nobody() } else { Trust::read(folder)? };
        let name = servers.tls_server_name.as_deref();
        let nodes = servers.addresses.iter().map(|address| Node::open(address, name, &trust, guard));
        Ok(Self { nodes: nodes.collect::<Result<_, _>>()? })
    }

    /// Asks all of them at once.
    pub(crate) async fn look(&self) -> Vec<Seen> {
        join_all(self.nodes.iter().map(Node::look)).await
    }

    /// The leader that all of them agree on, as [`elect`] says, once they do: an election takes seconds, and one answer
    /// may be lost.
    pub(crate) async fn elect(&self, force: bool) -> Result<Leader, Vec<OpenBaoError>> {
        let begun = Instant::now();
        loop {
            match elect(&self.look().await, force) {
                Err(errors)
                    if begun.elapsed() < PATIENCE && errors.iter().all(OpenBaoError::may_pass_soon) =>
                {
                    sleep(LOOK).await;
                }
                elected => return elected,
            }
        }
    }

    pub(crate) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    /// The address of a server that does not get as far as the leader was within this time.
    pub(crate) async fn laggard(&self, leader: &Leader, within: Duration) -> Option<String> {
        let begun = Instant::now();
        for node in leader.behind.iter().filter_map(|index| self.node(*index)) {
            while node.leadership().await.map_or(0, |now| now.raft_applied_index) < leader.committed {
                if begun.elapsed() > within {
                    return Some(node.address.clone());
                }
                sleep(LOOK).await;
            }
        }
        None
    }
}

impl Trust {
    fn read(folder: &Path) -> Result<Self, OpenBaoError> {
        let pem = std::fs::read_to_string(folder.join("ca.crt"))
            .map_err(|error| OpenBaoError::Authority(error.to_string()))?;
        let authorities = pem::authorities(&pem).map_err(OpenBaoError::Authority)?;
        let tls = connection::tls(pem::roots(&pem).map_err(OpenBaoError::Authority)?);
        Ok(Self { authorities, tls })
    }

    /// Where nothing is encrypted.
    fn nobody() -> Self {
        Self { authorities: Vec::new(), tls: connection::tls(RootCertStore::empty()) }
    }
}

impl Node {
    fn open(
        address: &str,
        server_name: Option<&str>,
        trust: &Trust,
        guard: &Guard,
    ) -> Result<Self, OpenBaoError> {
        let wrong = |why: String| OpenBaoError::Address { address: address.to_owned(), why };
        let dialled = Address::parse(address).map_err(|error| wrong(error.to_string()))?;
        let dialer = guard.dialer(&dialled, Door::Server).map_err(|denied| wrong(denied.to_string()))?;
        // What is known of cuts and read timeouts was seen with HTTP/1.1, which guarded clients speak.
        let builder = dialer
            .client()
            .retry(retry::never())
            .connect_timeout(CONNECT)
            .tls_certs_only(trust.authorities.clone());
        let verified = match server_name {
            Some(name) => dialled.with_name(name).ok_or_else(|| OpenBaoError::ServerName(name.to_owned()))?,
            None => dialled,
        };
        let http = builder.build().map_err(|error| OpenBaoError::Authority(fault(error)))?;
        let base = format!("{}/v1/", verified.as_str());
        let way = Way { dialer, verified, tls: trust.tls.clone() };
        Ok(Self { address: address.to_owned(), http, base, way })
    }

    /// A request to it, without a limit of time.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, String> {
        ask(self.request(Method::GET, path)).await
    }

    /// Without a token.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        insist(self.request(Method::POST, path).json(body)).await
    }

    async fn look(&self) -> Seen {
        let (health, leadership) = tokio::join!(self.get(HEALTH), self.leadership());
        let is_silent = health.is_err() && leadership.is_err();
        let health = health.and_then(read::<Health>);
        Seen { address: self.address.clone(), is_silent, health, leadership }
    }

    /// Of its data, where it says so: a sealed server does not.
    pub(crate) async fn cluster_id(&self) -> Option<String> {
        read::<Health>(self.get(HEALTH).await.ok()?).ok()?.cluster_id
    }

    /// What it says about who leads now.
    pub(crate) async fn leadership(&self) -> Result<Leadership, String> {
        leadership(with_room(async || self.get(LEADER).await).await?)
    }

    /// Kind of its seal.
    pub(crate) async fn seal_kind(&self) -> Option<String> {
        let answer = self.get("sys/seal-status").await.ok()?;
        answer.body["type"].as_str().map(ToOwned::to_owned)
    }
}

fn leadership(answer: Answer) -> Result<Leadership, String> {
    let said_at = answer.date;
    let mut said: Leadership = read(answer)?;
    said.said_at = said_at;
    Ok(said)
}

fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, String> {
    if answer.status != 200 {
        return Err(answer.fault());
    }
    serde_json::from_value(answer.body).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// Sends a small request that changes nothing which matters, until it has an answer that is no hiccup.
pub(crate) async fn insist(request: RequestBuilder) -> Result<Answer, String> {
    let begun = Instant::now();
    loop {
        let Some(again) = request.try_clone() else { return ask(request).await };
        let answered = ask(again).await;
        let pause = answered.as_ref().map_or_else(|_| within(PAUSE, begun), |answer| answer.pause(begun));
        match pause {
            Some(pause) => sleep(pause).await,
            None => return answered,
        }
    }
}

fn within(pause: Duration, begun: Instant) -> Option<Duration> {
    (begun.elapsed() + pause <= PATIENCE).then_some(pause)
}

/// Asks until no quota is in the way, or for as long as is patient. A sealed server is not waited for.
async fn with_room(mut ask: impl AsyncFnMut() -> Result<Answer, String>) -> Result<Answer, String> {
    let begun = Instant::now();
    loop {
        let answer = ask().await?;
        match answer.pause(begun).filter(|_| answer.status == 429) {
            Some(pause) => sleep(pause).await,
            None => return Ok(answer),
        }
    }
}

/// Sends a small request; every answer is one.
pub(crate) async fn ask(request: RequestBuilder) -> Result<Answer, String> {
    let response = request.timeout(ANSWER).send().await.map_err(fault)?;
    whole(response).await.map_err(fault)
}

/// The whole of an answer.
pub(crate) async fn whole(response: Response) -> Result<Answer, reqwest::Error> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer::of(status, &headers, &response.text().await?))
}

/// An answer without headers.
#[cfg(test)]
pub(crate) fn answer(status: u16, text: &str) -> Answer {
    Answer::of(status, &HeaderMap::new(), text)
}
