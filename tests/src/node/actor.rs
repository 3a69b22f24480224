//! The life of one pod, from its binding until it is gone from the API server.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::container::{Order, Supervisor, grace};
use super::fault::{self, Fault};
use super::launch::pod_folder;
use super::objects::namespace_of;
use super::process::{kill_container, signal_container};
use super::snapshot::{Snapshot, State};
use super::status::{self, PodEnd, View};
use super::support::{Problem, is_over, unsupported};
use super::volumes::Volumes;

/// How often volumes are refreshed, obstacles looked at again and writes repeated that failed.
const TICK: Duration = Duration::from_secs(1);

pub(super) struct Actor {
    shared: Arc<Shared>,
    pod: watch::Receiver<Option<Arc<Pod>>>,
    ip: Ipv4Addr,
    volumes: Volumes,
    orders: watch::Sender<Order>,
    snapshots: Vec<watch::Receiver<Snapshot>>,
    containers: JoinSet<()>,
    changed: Arc<Notify>,
    /// Containers were started, or never will be.
    begun: bool,
    lost: bool,
    fault: Option<String>,
    /// The grace that the present stop was ordered with.
    grace: Option<Duration>,
    end: Option<PodEnd>,
    problem: Option<Problem>,
    reported: Option<PodStatus>,
    start_time: Timestamp,
    deleted: bool,
}

impl Actor {
    pub(super) fn new(
        shared: &Arc<Shared>,
        first: &Pod,
        pod: watch::Receiver<Option<Arc<Pod>>>,
        ip: Ipv4Addr,
    ) -> Self {
        let started = first.status.as_ref().and_then(|status| status.start_time.as_ref());
        Self {
            shared: Arc::clone(shared),
            pod,
            ip,
            volumes: Volumes::new(pod_folder(shared, first).join("volumes")),
            orders: watch::Sender::new(Order::Run),
            snapshots: Vec::new(),
            containers: JoinSet::new(),
            changed: Arc::new(Notify::new()),
            begun: is_over(first),
            lost: false,
            fault: None,
            grace: None,
            end: first
                .spec
                .as_ref()
                .and_then(unsupported)
                .map(|message| PodEnd { reason: "Unsupported", message }),
            problem: None,
            reported: None,
            start_time: started.map_or_else(Timestamp::now, |time| time.0),
            deleted: false,
        }
    }

    /// Follows the pod until it is gone, then leaves nothing of it; at `stop` only its processes end.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        // Not at once: the watches may not have seen yet what the volumes were just made from.
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            let Some(pod) = self.pod.borrow_and_update().clone() else { break };
            self.step(&pod).await;
            last = Some(pod);
            let changed = Arc::clone(&self.changed);
            tokio::select! {
                _ = self.pod.changed() => {}
                () = changed.notified() => {}
                Some(_) = self.containers.join_next() => {}
                _ = ticks.tick() => self.refresh().await,
                () = stop.cancelled() => break,
            }
        }
        self.stop_by(Instant::now());
        while self.containers.join_next().await.is_some() {}
        if let Some(pod) = last.filter(|_| !stop.is_cancelled()) {
            // What cannot be removed stays in the scratch folder.
            std::fs::remove_dir_all(pod_folder(&self.shared, &pod)).ok();
        }
    }

    async fn step(&mut self, pod: &Arc<Pod>) {
        self.obey(pod);
        if self.lost {
            return;
        }
        self.judge(pod);
        if !self.begun && self.end.is_none() && *self.orders.borrow() == Order::Run {
            self.begin(pod).await;
        }
        // A pod that was over when the node found it has nothing to report.
        if !self.snapshots.is_empty() || !is_over(pod) {
            self.report(pod).await;
        }
        if pod.metadata.deletion_timestamp.is_some() && self.containers.is_empty() {
            self.delete(pod).await;
        }
    }

    /// Applies a fault that was not applied yet.
    fn obey(&mut self, pod: &Pod) {
        let Some((text, fault)) = fault::ordered(pod) else { return };
        if self.fault.as_deref() == Some(text) {
            return;
        }
        tracing::info!(pod = pod.name_any(), text, "fault");
        self.fault = Some(text.to_owned());
        for process in self.snapshots.iter().filter_map(|snapshot| snapshot.borrow().pid) {
            match fault {
                Fault::Kill | Fault::Lose => kill_container(process),
                Fault::Freeze => signal_container(process, Signal::SIGSTOP),
                Fault::Thaw => signal_container(process, Signal::SIGCONT),
            }
        }
        if fault == Fault::Lose {
            self.lost = true;
            self.stop_by(Instant::now());
        }
    }

    /// Orders the containers to stop if the pod is deleted or past its deadline.
    fn judge(&mut self, pod: &Pod) {
        let seconds = pod.spec.as_ref().and_then(|spec| spec.active_deadline_seconds);
        let late = |seconds| Timestamp::now() >= self.start_time + SignedDuration::from_secs(seconds);
        if self.end.is_none() && !self.over(pod) && seconds.is_some_and(late) {
            let message = "Pod was active on the node longer than the specified deadline".into();
            self.end = Some(PodEnd { reason: "DeadlineExceeded", message });
            self.stop_by(Instant::now() + grace(pod));
        }
        if pod.metadata.deletion_timestamp.is_some() && self.grace != Some(grace(pod)) {
            self.grace = Some(grace(pod));
            self.stop_by(Instant::now() + grace(pod));
        }
    }

    fn over(&self, pod: &Pod) -> bool {
        is_over(pod) || self.begun && self.containers.is_empty()
    }

    /// An earlier deadline stays.
    fn stop_by(&self, deadline: Instant) {
        self.orders.send_modify(|order| {
            *order = match *order {
                Order::StopBy(earlier) => Order::StopBy(earlier.min(deadline)),
                Order::Run => Order::StopBy(deadline),
            };
        });
    }

    /// Makes the volumes and starts the containers, or says why not.
    async fn begin(&mut self, pod: &Arc<Pod>) {
        if self.reported.is_none() {
            // The address is known before the containers start, so their names can be found when they do.
            self.report(pod).await;
        }
        match self.volumes.prepare(&self.shared, pod, self.ip).await {
            Ok(()) => {
                self.problem = None;
                self.begun = true;
                self.start(pod);
            }
            Err(problem) if self.problem.as_ref() != Some(&problem) => {
                self.warn(pod, &problem).await;
                self.problem = Some(problem);
            }
            Err(_) => {}
        }
    }

    fn start(&mut self, pod: &Arc<Pod>) {
        let snapshots = self.snapshots_now(pod);
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        for (container, snapshot) in containers.zip(snapshots) {
            let (sender, receiver) = watch::channel(snapshot);
            self.snapshots.push(receiver);
            let supervisor = Supervisor {
                shared: Arc::clone(&self.shared),
                pod: self.pod.clone(),
                first: Arc::clone(pod),
                ip: self.ip,
                container: container.clone(),
                orders: self.orders.subscribe(),
                snapshot: sender,
                changed: Arc::clone(&self.changed),
            };
            self.containers.spawn(supervisor.run());
        }
    }

    /// What is known of the containers: from those who run them, else from an earlier run of the node.
    fn snapshots_now(&self, pod: &Pod) -> Vec<Snapshot> {
        if !self.snapshots.is_empty() {
            return self.snapshots.iter().map(|snapshot| snapshot.borrow().clone()).collect();
        }
        let known = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref());
        let names = pod.spec.iter().flat_map(|spec| &spec.containers).map(|container| &container.name);
        names
            .map(|name| {
                let status = known.unwrap_or_default().iter().find(|status| status.name == *name);
                let mut snapshot = status.map_or_else(
                    || Snapshot::waiting("ContainerCreating", ""),
                    |status| Snapshot::restored(status, Timestamp::now()),
                );
                if let (State::Waiting { message, .. }, Some(problem)) = (&mut snapshot.state, &self.problem)
                {
                    message.clone_from(&problem.0);
                }
                snapshot
            })
            .collect()
    }

    async fn refresh(&mut self) {
        let Some(pod) = self.pod.borrow().clone() else { return };
        if self.containers.is_empty() || self.lost {
            return;
        }
        if let Err(problem) = self.volumes.refresh(&self.shared, &pod, self.ip).await {
            tracing::warn!(pod = pod.name_any(), %problem, "volumes not refreshed; tried again");
        }
    }

    /// Writes the status, if it is another than the last.
    async fn report(&mut self, pod: &Pod) {
        let snapshots = self.snapshots_now(pod);
        let view = View {
            ip: self.ip,
            snapshots: &snapshots,
            stopping: *self.orders.borrow() != Order::Run,
            settled: self.containers.is_empty(),
            end: self.end.as_ref(),
            start_time: self.start_time,
            now: Timestamp::now(),
        };
        let before = self.reported.clone().or_else(|| pod.status.clone()).unwrap_or_default();
        let status = status::compute(pod, &view, &before);
        if self.reported.as_ref() == Some(&status) {
            return;
        }
        // The UID keeps the status from another pod of this name; a strategic patch keeps conditions of others.
        let patch = json!({"metadata": {"uid": pod.uid()}, "status": status});
        let written = self
            .api(pod)
            .patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(patch))
            .await;
        match written {
            Ok(_) => self.reported = Some(status),
            Err(error) if is_gone(&error) => {}
            Err(error) => tracing::warn!(pod = pod.name_any(), %error, "status not written; tried again"),
        }
    }

    /// Tells the API server that nothing of the pod is left here.
    async fn delete(&mut self, pod: &Pod) {
        if self.deleted {
            return;
        }
        let uid = Preconditions { uid: pod.uid(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(uid), ..DeleteParams::default().grace_period(0) };
        match self.api(pod).delete(&pod.name_any(), &parameters).await {
            Err(error) if !is_gone(&error) => {
                tracing::warn!(pod = pod.name_any(), %error, "pod not deleted; tried again");
            }
            _ => self.deleted = true,
        }
    }

    async fn warn(&self, pod: &Pod, problem: &Problem) {
        let event = Event {
            type_: EventType::Warning,
            reason: "FailedMount".into(),
            note: Some(problem.0.clone()),
            action: "Mounting".into(),
            secondary: None,
        };
        if let Err(error) = self.shared.recorder.publish(&event, &pod.object_ref(&())).await {
            tracing::debug!(pod = pod.name_any(), %error, "event not written");
        }
    }

    fn api(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.shared.client.clone(), &namespace_of(pod))
    }
}

/// The pod is gone, or another has its name.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}
