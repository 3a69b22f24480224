//! Leader election: reads and writes the Lease as `plan::lease` decides. Who loses it ends the process.

use crate::answer::message;
use crate::args::Args;
use crate::metrics::Metrics;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use plan::lease::{Claim, DURATION, Observed, RENEW_AFTER, decide, leads};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often a candidate looks whether the Lease was vacated.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long one look with its write may take, and the pause after one that failed: between its renewal being due and
/// its end, a leader has time for two.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(500);

/// Why the election ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    #[error(
        "lost the Lease {name}: {why}; nothing more is written, and the process ends to stand for election anew"
    )]
    Lost { name: String, why: String },
}

/// A write of a process that leads no more.
#[derive(Debug, thiserror::Error)]
#[error("this replica does not lead any more; nothing was written")]
pub(crate) struct NotLeading;

/// Whether this process leads; asked before each write.
#[derive(Clone)]
pub(crate) struct Leadership(watch::Receiver<Option<Instant>>);

impl Leadership {
    /// Passes while this process leads.
    pub(crate) fn assured(&self) -> Result<(), NotLeading> {
        let leads = self.0.borrow().is_some_and(|renewed| leads(renewed.elapsed()));
        if leads { Ok(()) } else { Err(NotLeading) }
    }

    /// Waits until this process leads.
    pub(crate) async fn acquired(&mut self) {
        if self.0.wait_for(Option::is_some).await.is_err() {
            // The election is over, and with it the process.
            std::future::pending::<()>().await;
        }
    }
}

/// One candidate.
pub(crate) struct Elector {
    leases: Api<Lease>,
    name: String,
    me: String,
    /// Version of the Lease as last seen, and since when.
    seen: Option<(String, Instant)>,
    /// When the last good renewal of ours began.
    renewed: watch::Sender<Option<Instant>>,
    metrics: Arc<Metrics>,
}

impl Elector {
    pub(crate) fn new(client: &kube::Client, args: &Args, metrics: Arc<Metrics>) -> (Self, Leadership) {
        let (renewed, leadership) = watch::channel(None);
        let elector = Self {
            leases: Api::namespaced(client.clone(), &args.namespace),
            name: args.lease_name.clone(),
            me: args.pod_name.clone(),
            seen: None,
            renewed,
            metrics,
        };
        (elector, Leadership(leadership))
    }

    /// Stands for election until `vacate`, then gives the Lease up.
    ///
    /// # Errors
    /// When the Lease was lost.
    pub(crate) async fn run(mut self, vacate: CancellationToken) -> Result<(), LeaseError> {
        while !vacate.is_cancelled() {
            let pause = match tokio::time::timeout(LOOK_TIMEOUT, self.look()).await {
                Ok(Ok(claim)) => self.pause(claim)?,
                Ok(Err(error)) => self.failed(&message(&error))?,
                Err(_) => self.failed("the API server did not answer in time")?,
            };
            vacate.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        self.give_up().await;
        Ok(())
    }

    /// How long to wait after a claim that was carried out.
    fn pause(&self, claim: Claim) -> Result<Duration, LeaseError> {
        match (claim, self.renewed()) {
            (Claim::Wait(_), Some(_)) => Err(self.lost("another candidate holds it")),
            (Claim::Wait(rest), None) => Ok(rest.min(LOOK_EVERY)),
            (_, Some(renewed)) if leads(renewed.elapsed()) => {
                Ok(RENEW_AFTER.saturating_sub(renewed.elapsed()).max(RETRY))
            }
            (_, Some(_)) => Err(self.lost("the renewal took too long")),
            (_, None) => Ok(LOOK_EVERY),
        }
    }

    /// How long to wait after a failure: not long, a leader has until its last renewal is too old.
    fn failed(&self, why: &str) -> Result<Duration, LeaseError> {
        if self.renewed().is_some_and(|renewed| !leads(renewed.elapsed())) {
            return Err(self.lost(why));
        }
        tracing::warn!(
            lease = self.name,
            error = why,
            "the Lease was not read or written; it is tried again"
        );
        Ok(RETRY)
    }

    fn lost(&self, why: &str) -> LeaseError {
        self.renewed.send_replace(None);
        LeaseError::Lost { name: self.name.clone(), why: why.to_owned() }
    }

    fn renewed(&self) -> Option<Instant> {
        *self.renewed.borrow()
    }

    /// Reads the Lease, and writes it where that is the claim.
    async fn look(&mut self) -> kube::Result<Claim> {
        let lease = self.leases.get_opt(&self.name).await?;
        let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let observed = spec.map(observe);
        let unchanged_for = match &observed {
            Some(held) if held.holder == self.me => self.renewed().map_or(Duration::MAX, |at| at.elapsed()),
            _ => self.unchanged_for(lease.as_ref()),
        };
        let claim = decide(observed.as_ref(), &self.me, unchanged_for);
        if matches!(claim, Claim::Acquire | Claim::Renew) {
            self.write(lease).await?;
        }
        Ok(claim)
    }

    /// How long the Lease has been as it is, as far as we have seen.
    fn unchanged_for(&mut self, lease: Option<&Lease>) -> Duration {
        let version = lease.and_then(|lease| lease.metadata.resource_version.clone()).unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => Instant::now(),
        };
        self.seen = Some((version, since));
        since.elapsed()
    }

    /// Writes our renewal over what was read. When another was faster, nothing is written.
    async fn write(&self, read: Option<Lease>) -> kube::Result<()> {
        let began = Instant::now();
        let written = match read {
            None => self.leases.create(&PostParams::default(), &self.claimed(Lease::default())).await,
            Some(lease) => {
                self.leases.replace(&self.name, &PostParams::default(), &self.claimed(lease)).await
            }
        };
        match written {
            Ok(_) => {
                if self.renewed.send_replace(Some(began)).is_none() {
                    self.metrics.leader.set(1);
                    tracing::info!(lease = self.name, "this replica leads");
                }
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn claimed(&self, mut lease: Lease) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = lease.spec.unwrap_or_default();
        let is_ours = before.holder_identity.as_ref() == Some(&self.me);
        lease.metadata = ObjectMeta { name: Some(self.name.clone()), ..lease.metadata };
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_ours { before.acquire_time.clone() } else { Some(now.clone()) },
            lease_transitions: Some(
                before.lease_transitions.unwrap_or(0).saturating_add(i32::from(!is_ours)),
            ),
            renew_time: Some(now),
            ..before
        });
        lease
    }

    /// Leaves the Lease to whoever comes first, so that nobody has to wait until it is over.
    async fn give_up(&self) {
        if self.renewed().is_none() {
            return;
        }
        match tokio::time::timeout(LOOK_TIMEOUT, self.vacate()).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, "the Lease is vacated"),
            Ok(Err(error)) => {
                tracing::warn!(
                    lease = self.name,
                    error = message(&error),
                    "the Lease was not vacated; it ends by itself"
                );
            }
            Err(_) => tracing::warn!(lease = self.name, "no answer in time; the Lease ends by itself"),
        }
    }

    async fn vacate(&self) -> kube::Result<()> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else { return Ok(()) };
        match &mut lease.spec {
            Some(spec) if spec.holder_identity.as_ref() == Some(&self.me) => spec.holder_identity = None,
            _ => return Ok(()),
        }
        self.leases.replace(&self.name, &PostParams::default(), &lease).await.map(drop)
    }
}

fn observe(spec: &LeaseSpec) -> Observed<'_> {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
    Observed {
        holder: spec.holder_identity.as_deref().unwrap_or_default(),
        duration: Duration::from_secs(seconds),
    }
}
