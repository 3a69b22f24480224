//! Whom this pod may dial. Clients of stores and servers are made here: each goes to one host, follows no redirect, uses
//! no proxy, and asks the rules of admission about every address at the moment of the connection, written or resolved.

use crate::args::Args;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, redirect};
use rules::address::{Address, Class, Denied, Door, Networks};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use thiserror::Error;

/// What a name server says.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The law of this installation about addresses.
#[derive(Clone)]
pub(crate) struct Guard {
    networks: Networks,
    api_server: (String, u16),
    lookup: Lookup,
}

/// An address that a name turned out to have, and that may not be called.
#[derive(Debug, Error)]
#[error("{host} has the address {address}, which {denied}")]
pub(crate) struct Diverted {
    host: String,
    address: IpAddr,
    denied: Denied,
}

impl Guard {
    /// As the operator tells this pod.
    pub(crate) fn of(args: &Args) -> Self {
        Self {
            networks: args.storage_allow_cidrs.clone(),
            api_server: (args.kubernetes_host.clone(), args.kubernetes_port),
            lookup: Arc::new(|host| Box::pin(system_lookup(host))),
        }
    }

    /// Begins a client for this address alone. A name that its URLs have, such as one for certificates, is not dialled.
    pub(crate) fn client(&self, address: &Address, door: Door) -> Result<ClientBuilder, Denied> {
        self.networks.judge_unresolved(address, door)?;
        let (host, port) = &self.api_server;
        let is_api_server = address.host().eq_ignore_ascii_case(host)
            || address.literal().is_some_and(|literal| host.parse::<IpAddr>() == Ok(literal.to_canonical()));
        if is_api_server && address.port() == *port {
            return Err(Denied::Never(Class::ApiServer));
        }
        let resolver =
            Resolver { guard: self.clone(), host: address.host().to_owned(), port: address.port(), door };
        Ok(Client::builder()
            .http1_only()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(resolver)))
    }
}

async fn system_lookup(host: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect())
}

/// Resolves one host, whatever name it is asked for, anew for each connection. An address that is written is dialled
/// without it, and was judged when the client was made.
struct Resolver {
    guard: Guard,
    host: String,
    port: u16,
    door: Door,
}

impl Resolve for Resolver {
    fn resolve(&self, _: Name) -> Resolving {
        let one = Self { guard: self.guard.clone(), host: self.host.clone(), ..*self };
        Box::pin(async move {
            let addresses = one.vetted().await?;
            // Port 0 stands for the URL's own.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

impl Resolver {
    /// The addresses that may be called. One that no Job may ever call spoils the whole answer: it is none of a store's.
    async fn vetted(&self) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let (api_host, api_port) = &self.guard.api_server;
        let api_server =
            if self.port == *api_port { (self.guard.lookup)(api_host.clone()).await? } else { Vec::new() };
        let mut denied = None;
        let mut vetted = Vec::new();
        for address in (self.guard.lookup)(self.host.clone()).await? {
            let judged = if api_server.contains(&address.to_canonical()) {
                Err(Denied::Never(Class::ApiServer))
            } else {
                self.guard.networks.judge(address, self.door)
            };
            let diverted = |denied| Diverted { host: self.host.clone(), address, denied };
            match judged {
                Ok(()) => vetted.push(address),
                Err(why @ Denied::Never(_)) => return Err(Box::new(diverted(why))),
                Err(why) => denied = Some(diverted(why)),
            }
        }
        match denied {
            Some(denied) if vetted.is_empty() => Err(Box::new(denied)),
            _ => Ok(vetted),
        }
    }
}

#[cfg(test)]
mod tests;
