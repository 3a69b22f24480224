//! Asks the servers themselves, each by its own address: initialise, unsealed, voters.

use super::{NAMESPACE, OpenBao, OpenBaoError, PORT, Servers};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use serde::Deserialize;
use serde_json::json;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Measured: 7 s for three nodes on an idle machine.
const UNSEALED_WITHIN: Duration = Duration::from_mins(2);
/// Measured: 23 s after the start.
const VOTERS_WITHIN: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(100);

/// The servers of a cluster, by address.
pub(super) struct Nodes {
    name: String,
    http: reqwest::Client,
    urls: Vec<String>,
}

/// What initialisation gives: unseal keys where somebody has to unseal, else recovery keys.
#[derive(Deserialize)]
pub(super) struct Initialised {
    pub(super) root_token: String,
    #[serde(default, rename = "keys_base64")]
    pub(super) unseal_keys: Vec<String>,
    #[serde(default, rename = "recovery_keys_base64")]
    pub(super) recovery_keys: Vec<String>,
}

/// What a server says of who leads.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    is_self: bool,
    leader_address: String,
    raft_committed_index: u64,
    raft_applied_index: u64,
}

#[derive(Deserialize)]
struct Autopilot {
    #[serde(default)]
    voters: Vec<String>,
}

impl Nodes {
    /// Waits until every pod has an address.
    pub(super) async fn find(
        client: &kube::Client,
        servers: &Servers,
        authority: &str,
    ) -> Result<Self, OpenBaoError> {
        let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
        let (name, mut http) = (servers.name, http(authority.as_bytes())?);
        let mut urls = Vec::new();
        for node in 0..servers.replicas {
            let pod = format!("{name}-{node}");
            let address =
                wait(name, "an address of each pod", UNSEALED_WITHIN, async || address(&pods, &pod).await);
            let host = format!("{pod}.{name}.{NAMESPACE}.svc");
            http = http.resolve(&host, SocketAddr::new(address.await?, PORT));
            urls.push(format!("https://{host}:{PORT}/v1"));
        }
        Ok(Self { name: name.to_owned(), http: http.build()?, urls })
    }

    /// The servers at these URLs.
    pub(super) fn at(name: &str, authority: &str, addresses: &[String]) -> Result<Self, OpenBaoError> {
        let urls = addresses.iter().map(|address| format!("{address}/v1")).collect();
        Ok(Self { name: name.to_owned(), http: http(authority.as_bytes())?.build()?, urls })
    }

    /// Initialises the first node as soon as it answers; the others join it. `shares` is `secret` where somebody has to
    /// unseal, else `recovery`.
    pub(super) async fn initialise(&self, shares: &str) -> Result<Initialised, OpenBaoError> {
        let url = format!("{}/sys/init", self.urls[0]);
        wait(&self.name, "an answer of the first node", UNSEALED_WITHIN, async || {
            self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await?;
        let body = json!({format!("{shares}_shares"): 1, format!("{shares}_threshold"): 1});
        // Generous: the answer comes after the barrier has been written and the seal has been used.
        let request = self.http.post(&url).timeout(Duration::from_mins(1)).json(&body);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Unseals every node with one share, again and again: a node that joins takes none at first.
    pub(super) async fn unseal(&self, key: &str) -> Result<(), OpenBaoError> {
        for url in &self.urls {
            let url = format!("{url}/sys/unseal");
            wait(&self.name, "every node unsealed", UNSEALED_WITHIN, async || {
                let answer = self.http.post(&url).json(&json!({"key": key})).send().await.ok()?;
                let status: serde_json::Value = answer.json().await.ok()?;
                (status["sealed"] == false).then_some(())
            })
            .await?;
        }
        Ok(())
    }

    /// Whether a node says that it is sealed; one that says nothing does not.
    pub(super) async fn is_sealed(&self, node: usize) -> bool {
        let answer = self.http.get(format!("{}/sys/seal-status", self.urls[node])).send();
        let status = async { answer.await.ok()?.json::<serde_json::Value>().await.ok() };
        status.await.is_some_and(|status| status["sealed"] == true)
    }

    /// Waits until a node says that it is sealed.
    pub(super) async fn wait_until_sealed(&self, node: usize) -> Result<(), OpenBaoError> {
        let sealed = async || self.is_sealed(node).await.then_some(());
        wait(&self.name, "the node sealed", UNSEALED_WITHIN, sealed).await
    }

    /// The server that says that it leads, once one does.
    pub(super) async fn leader(&self) -> Result<usize, OpenBaoError> {
        wait(&self.name, "a leader", UNSEALED_WITHIN, async || {
            let leads = self.urls.iter().map(async |url| {
                let answer = self.http.get(format!("{url}/sys/leader")).send().await.ok()?;
                Some(answer.json::<serde_json::Value>().await.ok()?["is_self"] == true)
            });
            join_all(leads).await.iter().position(|leads| *leads == Some(true))
        })
        .await
    }

    pub(super) async fn wait_until_unsealed(&self) -> Result<(), OpenBaoError> {
        for url in &self.urls {
            let url = format!("{url}/sys/health?standbyok=true");
            wait(&self.name, "every node unsealed", UNSEALED_WITHIN, async || {
                self.http
                    .get(&url)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success())
                    .then_some(())
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until every server names the same leader, which is one of them, and has applied what that has committed.
    pub(super) async fn wait_until_agreed(&self) -> Result<(), OpenBaoError> {
        wait(&self.name, "one leader that all have caught up with", UNSEALED_WITHIN, async || {
            let told = join_all(self.urls.iter().map(async |url| {
                let answer = self.http.get(format!("{url}/sys/leader")).send().await.ok()?;
                answer.json::<Told>().await.ok()
            }));
            let told: Vec<Told> = told.await.into_iter().collect::<Option<_>>()?;
            let leader = told.iter().find(|one| one.is_self)?;
            let follows = |one: &Told| {
                one.leader_address == leader.leader_address
                    && one.raft_applied_index >= leader.raft_committed_index
            };
            told.iter().all(follows).then_some(())
        })
        .await
    }
}

/// Waits until as many nodes vote.
pub(super) async fn wait_for_voters(openbao: &OpenBao, replicas: usize) -> Result<(), OpenBaoError> {
    let name = openbao.address.clone();
    let authority = std::fs::read(&openbao.authority).map_err(|source| OpenBaoError::Io { name, source })?;
    let http = http(&authority)?.build()?;
    let url = format!("{}/v1/sys/storage/raft/autopilot/state", openbao.address);
    wait(&openbao.address, "a vote of every node", VOTERS_WITHIN, async || {
        let answer = http.get(&url).header("X-Vault-Token", &openbao.root_token).send().await.ok()?;
        let envelope: serde_json::Value = answer.json().await.ok()?;
        let autopilot = Autopilot::deserialize(&envelope["data"]).ok()?;
        (autopilot.voters.len() >= replicas).then_some(())
    })
    .await
}

async fn address(pods: &Api<Pod>, pod: &str) -> Option<IpAddr> {
    pods.get_opt(pod).await.ok()??.status?.pod_ip?.parse().ok()
}

fn http(authority: &[u8]) -> Result<reqwest::ClientBuilder, OpenBaoError> {
    Ok(trusting(authority)?.timeout(Duration::from_secs(5)))
}

/// A client that believes the servers of this authority, and no others.
pub(crate) fn trusting(authority: &[u8]) -> reqwest::Result<reqwest::ClientBuilder> {
    let authority = reqwest::Certificate::from_pem(authority)?;
    Ok(reqwest::Client::builder().no_proxy().tls_certs_only([authority]))
}

/// Asks again and again until `question` has an answer.
async fn wait<T, F: Future<Output = Option<T>>>(
    name: &str,
    what: &'static str,
    within: Duration,
    question: impl Fn() -> F,
) -> Result<T, OpenBaoError> {
    let answered = async {
        loop {
            if let Some(answer) = question().await {
                return answer;
            }
            sleep(POLL).await;
        }
    };
    timeout(within, answered).await.map_err(|_| OpenBaoError::NotReady {
        name: name.to_owned(),
        what,
        within,
    })
}
