//! Whether each address leads to one server, and always to the same. Behind a balancer leadership is asked of one server and
//! the snapshot is sent to another; a standby answers 204 and seals itself.

use super::{Cluster, Leadership, Node, OpenBaoError, Session, ask};
use crate::report::Fault;
use futures::future::join_all;
use reqwest::Method;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::sleep;

/// Questions on one connection: some balancers choose a server for each request.
const QUESTIONS: usize = 8;
/// Further connections, each for one question: others choose one for each connection.
const CONNECTIONS: usize = 3;
/// Before all is asked again where a connection broke, which says nothing.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Every server, by what each says of itself.
const HA_STATUS: &str = "sys/ha-status";

impl Cluster {
    /// Everything that speaks against it. What the login may not ask stays unknown.
    pub(crate) async fn each_is_one(&self, session: &Session) -> Vec<OpenBaoError> {
        let mut errors: Vec<_> =
            join_all(self.nodes.iter().map(Node::is_one)).await.into_iter().flatten().collect();
        errors.extend(self.own_addresses(session).await);
        errors
    }

    async fn own_addresses(&self, session: &Session) -> Option<OpenBaoError> {
        let answer = ask(session.request(Method::GET, HA_STATUS)).await.ok().filter(|it| it.status == 200)?;
        let nodes = answer.body["nodes"].as_array()?;
        let mut seen = HashSet::new();
        let own = |node: &serde_json::Value| node["api_address"].as_str().map(str::to_owned);
        if let Some(twice) = nodes.iter().filter_map(own).find(|address| !seen.insert(address.clone())) {
            return Some(OpenBaoError::ApiAddressShared(twice));
        }
        let (have, need) = (self.nodes.len(), nodes.len());
        (have < need).then_some(OpenBaoError::AddressMissing { have, need })
    }
}

impl Node {
    /// Why its address is none of one server.
    async fn is_one(&self) -> Option<OpenBaoError> {
        for pause in PAUSES {
            match self.answers_as_one().await {
                Err(error) if error.is_passing() => sleep(pause).await,
                judged => return judged.err(),
            }
        }
        self.answers_as_one().await.err()
    }

    async fn answers_as_one(&self) -> Result<(), OpenBaoError> {
        let unreachable = |fault| OpenBaoError::unreachable(&self.address, fault);
        let mut said: Option<Leadership> = None;
        for questions in std::iter::once(QUESTIONS).chain([1; CONNECTIONS]) {
            let mut connection = self.connect().await.map_err(unreachable)?;
            for _ in 0..questions {
                let now = connection.leadership().await.map_err(unreachable)?;
                if said.as_ref().is_some_and(|before| !before.is_of_same_server(&now)) {
                    let fault = "one answer came from a leader, another from a standby".to_owned();
                    return Err(OpenBaoError::AddressShared { address: self.address.clone(), fault });
                }
                said = Some(now);
            }
        }
        Ok(())
    }
}
