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
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why there is no connection.
type Failure = Box<dyn std::error::Error + Send + Sync>;

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
        Ok(self.dialer(address, door)?.client())
    }

    /// The way to this address alone.
    pub(crate) fn dialer(&self, address: &Address, door: Door) -> Result<Dialer, Denied> {
        self.networks.judge_unresolved(address, door)?;
        let (host, port) = &self.api_server;
        let literal = address.literal();
        let is_api_server = address.host().eq_ignore_ascii_case(host)
            || literal.is_some_and(|literal| host.parse::<IpAddr>() == Ok(literal.to_canonical()));
        if is_api_server && address.port() == *port {
            return Err(Denied::Never(Class::ApiServer));
        }
        let (host, port) = (address.host().to_owned(), address.port());
        Ok(Dialer { guard: self.clone(), host, literal, port, door })
    }
}

async fn system_lookup(host: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect())
}

/// The way to one host, whatever name it is asked for; it is resolved anew for each connection. An address that is written
/// is dialled as it is, and was judged when this was made.
#[derive(Clone)]
pub(crate) struct Dialer {
    guard: Guard,
    host: String,
    literal: Option<IpAddr>,
    port: u16,
    door: Door,
}

impl Resolve for Dialer {
    fn resolve(&self, _: Name) -> Resolving {
        let one = self.clone();
        Box::pin(async move {
            let addresses = one.vetted().await?;
            // Port 0 stands for the URL's own.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

impl Dialer {
    /// Begins a client that takes this way.
    pub(crate) fn client(&self) -> ClientBuilder {
        Client::builder()
            .http1_only()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(self.clone()))
    }

    /// A connection. Its addresses are tried in turn, none for so long that no time is left for those behind it.
    pub(crate) async fn connect(&self, within: Duration) -> Result<TcpStream, Failure> {
        let deadline = Instant::now() + within;
        let addresses = match self.literal {
            Some(literal) => vec![literal],
            None => timeout(within, self.vetted()).await.map_err(|_| "its name server does not answer")??,
        };
        let count = u32::try_from(addresses.len())?;
        let mut failure = format!("{} has no address", self.host);
        for (address, share) in addresses.into_iter().zip((1..=count).rev()) {
            let left = deadline.saturating_duration_since(Instant::now()) / share;
            let address = SocketAddr::new(address, self.port);
            let connected = timeout(left, TcpStream::connect(address)).await;
            match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = format!("{address}: {error}"),
            }
        }
        Err(failure.into())
    }

    /// The addresses that may be called. One that no Job may ever call spoils the whole answer: it is none of a store's.
    async fn vetted(&self) -> Result<Vec<IpAddr>, Failure> {
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
