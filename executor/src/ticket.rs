//! The ticket: one Lease, over plain HTTPS, that lets one pod act at most once.

mod error;

pub(crate) use error::TicketError;

use crate::args::Args;
use crate::clock::{Moment, ServerClock, date};
use crate::pem;
use crate::progress::{Left, Progress};
use crate::report::{Fault, fault};
use api::names;
use api::task::{Claimed, Task};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Longest wait for one answer of the API server.
const ANSWER: Duration = Duration::from_secs(5);
/// Before the API server is asked again, for a claim.
const PAUSE: Duration = Duration::from_millis(500);
/// Time between two beats.
const BEAT: Duration = Duration::from_secs(2);
/// A right that was just granted is not known to every API server at once.
const OPENED_WITHIN: Duration = Duration::from_secs(30);
/// How long the Report is tried to be left: less than what the Job's deadline leaves.
const REPORTED_WITHIN: Duration = Duration::from_mins(2);
/// Writes of others that one write of ours gives way to.
const CONFLICTS: usize = 8;

/// The ticket of this pod, as it was when last read or written.
pub(crate) struct Ticket {
    http: Client,
    url: String,
    token: PathBuf,
    uid: String,
    pod: String,
    not_after: Timestamp,
    lease: Lease,
    claim: Claim,
    /// What the claim says beside its holder.
    claimed: Option<String>,
}

/// Who may be its holder without being somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Nobody.
    None,
    /// Nobody or this pod: an answer was lost.
    Tried,
    /// This pod.
    Ours,
}

impl Ticket {
    /// The ticket that the Task names, which nobody has claimed.
    pub(crate) async fn open(task: &Task, args: &Args) -> Result<Self, TicketError> {
        let authority = std::fs::read_to_string(args.service_account.join("ca.crt"))
            .map_err(|error| TicketError::Unreachable(format!("its CA cannot be read: {error}")))?;
        let authorities = pem::authorities(&authority)
            .map_err(|what| TicketError::Unreachable(format!("its CA cannot be used: {what}")))?;
        let http = client(Client::builder().tls_certs_only(authorities))?;
        let host = &args.kubernetes_host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let server = format!("https://{host}:{}", args.kubernetes_port);
        Self::open_at(http, &server, task, args).await
    }

    async fn open_at(http: Client, server: &str, task: &Task, args: &Args) -> Result<Self, TicketError> {
        let mut ticket = Self {
            http,
            url: format!(
                "{server}/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}",
                task.request.namespace, task.ticket.name
            ),
            token: args.service_account.join("token"),
            uid: task.ticket.uid.clone(),
            pod: args.pod_uid.clone(),
            not_after: task.not_after.0,
            lease: Lease::default(),
            claim: Claim::None,
            claimed: None,
        };
        let begun = Instant::now();
        loop {
            match ticket.read().await {
                Ok(_) => return Ok(ticket),
                Err(error) if error.is_passing() && begun.elapsed() < OPENED_WITHIN => {
                    tracing::warn!(%error, "the ticket cannot be read yet");
                    sleep(BEAT).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes this pod the holder, in one write with what the claim says, which is made for the API server's time. After a
    /// lost answer it looks whether it is. Gives the API server's clock, as of just before the first write.
    pub(crate) async fn claim(
        &mut self,
        claimed: impl Fn(Timestamp) -> Option<Claimed>,
    ) -> Result<ServerClock, TicketError> {
        let mut first: Option<ServerClock> = None;
        for _ in 0..CONFLICTS {
            let now = match self.read().await {
                // Nothing was tried yet, or whether the claim was taken has to be found out.
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "the ticket could not be read");
                    sleep(PAUSE).await;
                    continue;
                }
                read => read?,
            };
            if let (Claim::Ours, Some(begun)) = (self.claim, first) {
                return Ok(begun);
            }
            if now > self.not_after {
                return Err(TicketError::Expired { not_after: self.not_after });
            }
            let next = self.claimed(now, claimed(now).as_ref())?;
            let begun = *first.get_or_insert_with(|| ServerClock { said: now, since: Moment::now() });
            self.claim = Claim::Tried;
            match self.put(&next).await {
                Ok(true) => {
                    self.claim = Claim::Ours;
                    return Ok(begun);
                }
                Ok(false) => {}
                Err(error) if error.is_passing() => tracing::warn!(%error, "the claim got no clear answer"),
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    /// As it will be once this pod holds it.
    fn claimed(&mut self, now: Timestamp, claimed: Option<&Claimed>) -> Result<Lease, TicketError> {
        let text = claimed.map(serde_json::to_string).transpose();
        self.claimed =
            text.map_err(|error| TicketError::Unreachable(format!("nothing can be claimed: {error}")))?;
        let mut next = self.lease.clone();
        self.hold(&mut next);
        let spec = next.spec.get_or_insert_default();
        spec.acquire_time = Some(MicroTime(now));
        spec.renew_time = Some(MicroTime(now));
        Ok(next)
    }

    /// Makes this pod the holder of a Lease: of one that it claimed, whatever a rollback of etcd has taken away.
    fn hold(&self, lease: &mut Lease) {
        lease.spec.get_or_insert_default().holder_identity = Some(self.pod.clone());
        if let Some(claimed) = &self.claimed {
            annotate(lease, names::CLAIM, claimed);
        }
    }

    /// Beats, with the progress, for as long as the ticket is what it was; then says what it became.
    pub(crate) async fn beat(&mut self, progress: &Progress) -> TicketError {
        loop {
            let note = Note::of(progress);
            let written = self.write(|lease| {
                lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now()));
                note.write(lease);
            });
            match written.await {
                Ok(()) => {
                    progress.tell(note.left);
                    // What has begun waits for the ticket that names it.
                    let _ = timeout(BEAT, progress.news()).await;
                }
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "the ticket could not be renewed");
                    sleep(BEAT).await;
                }
                Err(error) => return error,
            }
        }
    }

    /// Leaves the Report, unless the ticket is somebody else's.
    pub(crate) async fn leave(&mut self, report: &str, progress: &Progress) -> Result<(), TicketError> {
        let begun = Instant::now();
        let note = Note::of(progress);
        loop {
            let written = self.write(|lease| {
                annotate(lease, names::REPORT, report);
                note.write(lease);
            });
            match written.await {
                Err(error) if error.is_passing() && begun.elapsed() < REPORTED_WITHIN => {
                    tracing::warn!(%error, "the Report could not be left yet");
                    sleep(BEAT).await;
                }
                // An answer was lost: the Report that is there is this one.
                Err(TicketError::Reported(found)) if found == report => return Ok(()),
                written => return written,
            }
        }
    }

    /// One write on top of the newest state, as long as that is not somebody else's.
    async fn write(&mut self, change: impl Fn(&mut Lease)) -> Result<(), TicketError> {
        for _ in 0..CONFLICTS {
            let mut next = self.lease.clone();
            if self.claim == Claim::Ours {
                self.hold(&mut next);
            }
            change(&mut next);
            if self.put(&next).await? {
                return Ok(());
            }
            self.read().await?;
        }
        Err(busy())
    }

    /// Reads and judges it; gives the time of the API server.
    async fn read(&mut self) -> Result<Timestamp, TicketError> {
        let response = self.send(self.http.get(&self.url)).await?;
        let date = date(response.headers());
        let lease = self.lease_of(response).await?.ok_or(TicketError::Gone)?;
        self.judge(&lease)?;
        self.lease = lease;
        date.ok_or_else(|| TicketError::Unreachable("its answer has no Date".to_owned()))
    }

    /// Whether it was written; not so if it had changed meanwhile.
    async fn put(&mut self, next: &Lease) -> Result<bool, TicketError> {
        let response = self.send(self.http.put(&self.url).json(next)).await?;
        let Some(lease) = self.lease_of(response).await? else { return Ok(false) };
        self.lease = lease;
        Ok(true)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, TicketError> {
        // It is renewed in its file.
        let token = std::fs::read_to_string(&self.token)
            .map_err(|error| TicketError::Unreachable(format!("the pod's token cannot be read: {error}")))?;
        let sent = request.bearer_auth(token.trim()).send().await;
        sent.map_err(|error| TicketError::Unreachable(fault(error)))
    }

    /// The Lease of an answer; none when it changed meanwhile.
    async fn lease_of(&self, response: Response) -> Result<Option<Lease>, TicketError> {
        match response.status() {
            status if status.is_success() => {
                response.json().await.map(Some).map_err(|error| TicketError::Unreachable(fault(error)))
            }
            StatusCode::CONFLICT => Ok(None),
            StatusCode::NOT_FOUND => Err(TicketError::Gone),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(TicketError::Denied(format!("{status}: {}", response.text().await.unwrap_or_default())))
            }
            status => Err(TicketError::Unreachable(format!("it answers {status}"))),
        }
    }

    /// Whether it is still the one that the Task names, and nobody else's.
    fn judge(&mut self, lease: &Lease) -> Result<(), TicketError> {
        if lease.metadata.uid.as_ref() != Some(&self.uid) {
            return Err(TicketError::Gone);
        }
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        match (self.claim, holder) {
            (_, "") => {}
            (Claim::Tried | Claim::Ours, holder) if holder == self.pod => self.claim = Claim::Ours,
            (_, holder) => return Err(TicketError::ClaimedBy(holder.to_owned())),
        }
        match lease.metadata.annotations.as_ref().and_then(|all| all.get(names::REPORT)) {
            None => Ok(()),
            Some(report) => Err(TicketError::Reported(report.clone())),
        }
    }
}

/// What each write tells of the work.
struct Note {
    progress: Option<String>,
    left: Left,
}

impl Note {
    fn of(progress: &Progress) -> Self {
        Self { progress: progress.text(), left: progress.left() }
    }

    fn write(&self, lease: &mut Lease) {
        if let Some(text) = &self.progress {
            annotate(lease, names::PROGRESS, text);
        }
        let Left { upload, markers, answer } = &self.left;
        name(lease, names::ANSWER, answer.as_ref());
        name(lease, names::UPLOAD, upload.as_ref());
        name(lease, names::SNAPSHOT_MARKER, (!markers.is_empty()).then_some(markers));
    }
}

/// Names what has to be settled, or takes back what was named.
fn name<T: Serialize>(lease: &mut Lease, key: &str, what: Option<&T>) {
    match what.and_then(|what| serde_json::to_string(what).ok()) {
        Some(text) => annotate(lease, key, &text),
        None => {
            lease.metadata.annotations.get_or_insert_default().remove(key);
        }
    }
}

fn busy() -> TicketError {
    TicketError::Unreachable("it gave no clear answer, or somebody else writes to it all the time".to_owned())
}

fn annotate(lease: &mut Lease, key: &str, value: &str) {
    lease.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
}

fn client(builder: reqwest::ClientBuilder) -> Result<Client, TicketError> {
    let builder = builder.redirect(redirect::Policy::none()).no_proxy().timeout(ANSWER);
    builder.build().map_err(|error| TicketError::Unreachable(fault(error)))
}

#[cfg(test)]
mod tests;
