//! Asks containers how they are.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::probe::Tally;

/// What the probes of a container found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The startup probe succeeded, or there is none.
    Started,
    Ready(bool),
    /// The container has to be restarted, for this reason.
    Unhealthy(String),
}

pub(super) struct Prober {
    http: reqwest::Client,
}

impl Prober {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()?;
        Ok(Self { http })
    }

    /// Probes a container that started now, until dropped or unhealthy.
    pub(super) async fn watch(&self, container: &Container, ip: Ipv4Addr, findings: &mpsc::Sender<Finding>) {
        let born = Instant::now();
        let aim = |probe, verdict| Aim::new(probe, container, ip, born, verdict);
        if let Some(probe) = &container.startup_probe
            && !self.turn(&mut aim(probe, None)).await
        {
            findings.send(Finding::Unhealthy("startup probe failed".into())).await.ok();
            return;
        }
        findings.send(Finding::Started).await.ok();
        let readiness = async {
            let Some(probe) = &container.readiness_probe else {
                findings.send(Finding::Ready(true)).await.ok();
                return;
            };
            let mut aim = aim(probe, Some(false));
            loop {
                let ready = self.turn(&mut aim).await;
                findings.send(Finding::Ready(ready)).await.ok();
            }
        };
        let liveness = async {
            let Some(probe) = &container.liveness_probe else { return };
            self.turn(&mut aim(probe, Some(true))).await;
            findings.send(Finding::Unhealthy("liveness probe failed".into())).await.ok();
        };
        tokio::join!(readiness, liveness);
    }

    /// Asks at the probe's period until its verdict turns.
    async fn turn(&self, aim: &mut Aim<'_>) -> bool {
        let probe = aim.probe;
        loop {
            sleep_until(aim.next).await;
            aim.next = Instant::now() + seconds(probe.period_seconds, 10);
            let answer = timeout(seconds(probe.timeout_seconds, 1), self.ask(aim)).await;
            let answer = answer.unwrap_or_else(|_| Err("timed out".into()));
            if let Err(error) = &answer {
                tracing::debug!(container = aim.container.name, ip = %aim.ip, error, "probe failed");
            }
            if let Some(verdict) = aim.tally.count(answer.is_ok()) {
                return verdict;
            }
        }
    }

    async fn ask(&self, aim: &Aim<'_>) -> Result<(), String> {
        if let Some(get) = &aim.probe.http_get {
            return self.get(aim, get).await;
        }
        let Some(socket) = &aim.probe.tcp_socket else { return Err("nothing to probe".into()) };
        let address = SocketAddr::new(aim.ip.into(), port(aim.container, &socket.port)?);
        TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
    }

    async fn get(&self, aim: &Aim<'_>, get: &HTTPGetAction) -> Result<(), String> {
        let scheme = get.scheme.as_deref().unwrap_or("HTTP").to_lowercase();
        let host = get.host.clone().unwrap_or_else(|| aim.ip.to_string());
        let port = port(aim.container, &get.port)?;
        let path = get.path.as_deref().unwrap_or("/").trim_start_matches('/');
        let mut request = self.http.get(format!("{scheme}://{host}:{port}/{path}"));
        for header in get.http_headers.iter().flatten() {
            request = request.header(&header.name, &header.value);
        }
        let status = request.send().await.map_err(|error| format!("{error:?}"))?.status();
        if status.is_success() || status.is_redirection() {
            Ok(())
        } else {
            Err(format!("answered {status}"))
        }
    }
}

/// What a probe is aimed at.
struct Aim<'a> {
    probe: &'a Probe,
    container: &'a Container,
    ip: Ipv4Addr,
    next: Instant,
    tally: Tally,
}

impl<'a> Aim<'a> {
    fn new(
        probe: &'a Probe,
        container: &'a Container,
        ip: Ipv4Addr,
        born: Instant,
        verdict: Option<bool>,
    ) -> Self {
        let next = born + seconds(probe.initial_delay_seconds, 0);
        Self { probe, container, ip, next, tally: Tally::new(probe, verdict) }
    }
}

fn seconds(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(default))
}

fn port(container: &Container, port: &IntOrString) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let ports = container.ports.iter().flatten();
            ports.into_iter().find(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port)
        }
    };
    number.and_then(|number| number.try_into().ok()).ok_or_else(|| format!("no port {port:?}"))
}
