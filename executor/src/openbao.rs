//! OpenBao's servers, each asked by its own address: no Service before several, no redirect, no proxy.

mod election;
mod error;
mod listener;
mod marker;
mod seal;
mod session;

pub(crate) use election::{Leader, Seen, elect, leader_of};
pub(crate) use error::OpenBaoError;
pub(crate) use listener::{outlasts, setting};
pub(crate) use marker::Marked;
pub(crate) use seal::{Seal, judge_seal};
pub(crate) use session::{Purpose, SNAPSHOT, SNAPSHOT_FORCE, Session};

use crate::clock::date;
use crate::dial::Guard;
use crate::pem;
use crate::report::fault;
use api::task::Servers;
use election::Health;
pub(crate) use election::Leadership;
use futures::future::join_all;
use jiff::Timestamp;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, retry};
use rules::address::{Address, Door};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for an answer; a server that is restoring does not answer at all.
const ANSWER: Duration = Duration::from_secs(5);
/// Time between two looks at a server that is behind.
const LOOK: Duration = Duration::from_millis(250);

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
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By the server's clock.
    pub(crate) date: Option<Timestamp>,
    /// Index of the raft log that the server had reached, where it says so.
    pub(crate) index: Option<u64>,
    pub(crate) body: Value,
}

impl Answer {
    /// What it says is wrong, in one line.
    pub(crate) fn fault(&self) -> String {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
        let text = texts.join("; ").split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{} {text}", self.status).trim_end().to_owned()
    }
}

impl Cluster {
    /// Clients that trust only the CA in `folder`, and dial what `guard` lets them.
    pub(crate) fn open(servers: &Servers, folder: &Path, guard: &Guard) -> Result<Self, OpenBaoError> {
        let plain = servers.addresses.iter().all(|address| address.starts_with("http://"));
        let authorities = if plain { Vec::new() } else { authorities(folder)? };
        let name = servers.tls_server_name.as_deref();
        let nodes = servers.addresses.iter().map(|address| Node::open(address, name, &authorities, guard));
        Ok(Self { nodes: nodes.collect::<Result<_, _>>()? })
    }

    /// Asks all of them at once.
    pub(crate) async fn look(&self) -> Vec<Seen> {
        join_all(self.nodes.iter().map(Node::look)).await
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

fn authorities(folder: &Path) -> Result<Vec<Certificate>, OpenBaoError> {
    let pem = std::fs::read_to_string(folder.join("ca.crt"))
        .map_err(|error| OpenBaoError::Authority(error.to_string()))?;
    pem::authorities(&pem).map_err(OpenBaoError::Authority)
}

impl Node {
    fn open(
        address: &str,
        server_name: Option<&str>,
        authorities: &[Certificate],
        guard: &Guard,
    ) -> Result<Self, OpenBaoError> {
        let wrong = |why: String| OpenBaoError::Address { address: address.to_owned(), why };
        let dialled = Address::parse(address).map_err(|error| wrong(error.to_string()))?;
        // What is known of cuts and read timeouts was seen with HTTP/1.1, which guarded clients speak.
        let builder = guard
            .client(&dialled, Door::Server)
            .map_err(|denied| wrong(denied.to_string()))?
            .retry(retry::never())
            .connect_timeout(CONNECT)
            .tls_certs_only(authorities.to_vec());
        let verified = match server_name {
            Some(name) => dialled.with_name(name).ok_or_else(|| OpenBaoError::ServerName(name.to_owned()))?,
            None => dialled,
        };
        let http = builder.build().map_err(|error| OpenBaoError::Authority(fault(error)))?;
        let base = format!("{}/v1/", verified.as_str());
        Ok(Self { address: address.to_owned(), http, base })
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
        ask(self.request(Method::POST, path).json(body)).await
    }

    async fn look(&self) -> Seen {
        // Each of these makes the answer's status 200 whatever the server's state is.
        let health = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200";
        let (health, leadership) =
            tokio::join!(async { read::<Health>(self.get(health).await?) }, self.leadership());
        Seen { address: self.address.clone(), health, leadership }
    }

    /// What it says about who leads now.
    pub(crate) async fn leadership(&self) -> Result<Leadership, String> {
        let answer = self.get("sys/leader").await?;
        let said_at = answer.date;
        let mut said: Leadership = read(answer)?;
        said.said_at = said_at;
        Ok(said)
    }

    /// Kind of its seal.
    pub(crate) async fn seal_kind(&self) -> Option<String> {
        let answer = self.get("sys/seal-status").await.ok()?;
        answer.body["type"].as_str().map(ToOwned::to_owned)
    }
}

fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, String> {
    if answer.status != 200 {
        return Err(answer.fault());
    }
    serde_json::from_value(answer.body).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// Sends a small request; every answer is one.
pub(crate) async fn ask(request: RequestBuilder) -> Result<Answer, String> {
    let response = request.timeout(ANSWER).send().await.map_err(fault)?;
    whole(response).await.map_err(fault)
}

/// The whole of an answer.
pub(crate) async fn whole(response: Response) -> Result<Answer, reqwest::Error> {
    let (status, date) = (response.status().as_u16(), date(response.headers()));
    let index = marker::index(response.headers());
    Ok(Answer { date, index, ..answer(status, &response.text().await?) })
}

/// An answer whose body is no JSON is kept as its fault.
pub(crate) fn answer(status: u16, text: &str) -> Answer {
    let body = serde_json::from_str(text).unwrap_or_else(|_| serde_json::json!({ "errors": [text] }));
    Answer { status, date: None, index: None, body }
}
