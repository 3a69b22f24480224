//! The life of one container: started, probed, ended, started again.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Shared;
use super::exit::{self, LastWords};
use super::launch::{Places, describe};
use super::prober::Finding;
use super::process::{Process, mark_start};
use super::sandbox::Sandbox;
use super::snapshot::{End, Snapshot, State, back_off, restarts};
use super::support::Problem;

/// What the pod wants of its containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Run,
    /// SIGTERM now, SIGKILL then.
    StopBy(Instant),
}

/// A container that ran this long starts without delay the next time it ends.
const STEADY: Duration = Duration::from_mins(1);
/// Pause before an obstacle is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Supervisor {
    pub(super) shared: Arc<Shared>,
    pub(super) pod: watch::Receiver<Option<Arc<Pod>>>,
    pub(super) first: Arc<Pod>,
    pub(super) ip: Ipv4Addr,
    pub(super) container: Container,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) snapshot: watch::Sender<Snapshot>,
    /// Told at each change of the snapshot.
    pub(super) changed: Arc<Notify>,
}

impl Supervisor {
    /// Runs the container as often as its pod's policy says, until it is ordered to stop.
    pub(super) async fn run(mut self) {
        let policy = self.first.spec.as_ref().and_then(|spec| spec.restart_policy.clone());
        let mut short_lives = 0;
        loop {
            let before = self.ended();
            let end = match before {
                Some(end) => end,
                None => match self.live_once().await {
                    Some(end) => end,
                    None => return,
                },
            };
            self.publish(State::Terminated(end.clone()));
            if self.stopping() || !restarts(policy.as_deref(), end.code) {
                return;
            }
            let lived = end.finished.duration_since(end.started).unsigned_abs();
            short_lives = if lived < STEADY { short_lives + 1 } else { 0 };
            let pause = back_off(u32::saturating_sub(short_lives, 1));
            let message = format!("starts again in {} s", pause.as_secs());
            self.publish(State::Waiting { reason: "CrashLoopBackOff".into(), message });
            if self.stopped_within(pause).await {
                self.publish(State::Terminated(end));
                return;
            }
            self.update(|snapshot| snapshot.restarts += 1);
        }
    }

    /// The end of an earlier run of the node, once.
    fn ended(&self) -> Option<End> {
        match &self.snapshot.borrow().state {
            State::Terminated(end) => Some(end.clone()),
            _ => None,
        }
    }

    /// One start to its end; None if the container was stopped before it started.
    async fn live_once(&mut self) -> Option<End> {
        let sandbox = self.described().await?;
        let places = Places::new(&self.shared, &self.first, &self.container);
        let started = Timestamp::now();
        let restarts = self.snapshot.borrow().restarts;
        let output_start = mark_start(&places.output, restarts, started).unwrap_or_default();
        let program = &self.shared.config.sandbox;
        let code = match Process::start(program, &sandbox, &places.output).await {
            Ok(process) => self.accompany(process, started).await,
            Err(error) => {
                let message = format!("cannot run {}: {error}", program.display());
                std::fs::write(&places.termination_log, message).ok();
                128
            }
        };
        let words = LastWords {
            termination_log: &places.termination_log,
            output: &places.output,
            output_start,
            fall_back: self.container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError"),
        };
        Some(exit::end(code, &words, started, Timestamp::now()))
    }

    /// Tries until the container can be described; None if it was stopped first.
    async fn described(&mut self) -> Option<Sandbox> {
        loop {
            if self.stopping() {
                return None;
            }
            let name = self.container.image.clone().unwrap_or_default();
            let shared = Arc::clone(&self.shared);
            let (reason, problem) = match shared.config.images.get(&name) {
                None => (self.pull_reason(), Problem(format!("this node has no image {name}"))),
                Some(image) => {
                    let pod = self.pod.borrow().clone().unwrap_or_else(|| Arc::clone(&self.first));
                    match describe(&shared, &pod, self.ip, &self.container, image).await {
                        Ok(sandbox) => return Some(sandbox),
                        Err(problem) => ("CreateContainerConfigError", problem),
                    }
                }
            };
            self.publish(State::Waiting { reason: reason.into(), message: problem.0 });
            if self.stopped_within(AGAIN).await {
                return None;
            }
        }
    }

    fn pull_reason(&self) -> &'static str {
        let failed_before = |reason: &str| matches!(reason, "ErrImagePull" | "ImagePullBackOff");
        match &self.snapshot.borrow().state {
            State::Waiting { reason, .. } if failed_before(reason) => "ImagePullBackOff",
            _ => "ErrImagePull",
        }
    }

    /// Stays with a running container until its end and gives its code.
    async fn accompany(&mut self, mut process: Process, started: Timestamp) -> i32 {
        self.publish(State::Running { since: started });
        self.update(|snapshot| snapshot.pid = Some(process.pid()));
        let (sender, mut findings) = mpsc::channel(8);
        let shared = Arc::clone(&self.shared);
        let container = self.container.clone();
        let probes = shared.prober.watch(&container, self.ip, &sender);
        tokio::pin!(probes);
        let mut probing = true;
        loop {
            let order = *self.orders.borrow_and_update();
            if let Order::StopBy(deadline) = order {
                return self.stop(&mut process, deadline).await;
            }
            tokio::select! {
                code = process.wait() => return code,
                _ = self.orders.changed() => {}
                () = &mut probes, if probing => probing = false,
                Some(finding) = findings.recv() => if let Some(reason) = self.note(finding) {
                    tracing::info!(pod = self.first.name_any(), container = self.container.name, reason, "restarted");
                    let deadline = Instant::now() + grace(&self.first);
                    return self.stop(&mut process, deadline).await;
                },
            }
        }
    }

    /// Takes a finding in; gives the reason if the container has to be restarted.
    fn note(&self, finding: Finding) -> Option<String> {
        match finding {
            Finding::Started => self.update(|snapshot| snapshot.started = true),
            Finding::Ready(ready) => self.update(|snapshot| snapshot.ready = ready),
            Finding::Unhealthy(reason) => return Some(reason),
        }
        None
    }

    /// Asks the process to end, and kills it at the deadline, which a second deletion may bring nearer.
    async fn stop(&mut self, process: &mut Process, mut deadline: Instant) -> i32 {
        self.update(|snapshot| snapshot.ready = false);
        process.terminate();
        while Instant::now() < deadline {
            tokio::select! {
                code = process.wait() => return code,
                () = sleep_until(deadline) => {}
                Ok(()) = self.orders.changed() => {
                    if let Order::StopBy(nearer) = *self.orders.borrow_and_update() {
                        deadline = deadline.min(nearer);
                    }
                }
            }
        }
        loop {
            process.kill();
            // Once more after a while: a process that was just being made may have been missed.
            if let Ok(code) = timeout(AGAIN, process.wait()).await {
                return code;
            }
        }
    }

    fn stopping(&self) -> bool {
        *self.orders.borrow() != Order::Run
    }

    async fn stopped_within(&mut self, pause: Duration) -> bool {
        tokio::select! {
            () = sleep(pause) => false,
            _ = self.orders.wait_for(|order| *order != Order::Run) => true,
        }
    }

    fn publish(&self, state: State) {
        if self.snapshot.borrow().state != state {
            self.update(|snapshot| snapshot.enter(state));
        }
    }

    fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshot.send_modify(change);
        self.changed.notify_one();
    }
}

/// How long the pod's containers may take to end.
pub(super) fn grace(pod: &Pod) -> Duration {
    let asked = pod.metadata.deletion_grace_period_seconds;
    let own = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    Duration::from_secs(asked.or(own).unwrap_or(30).try_into().unwrap_or(0))
}
