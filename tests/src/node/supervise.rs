//! The node's loop: one actor per pod, one hosts file, one listener per Service port.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::actor::Actor;
use super::objects::namespace_of;
use super::proxy::Proxies;
use super::services::routes;
use super::{Shared, addresses, files, hosts};

/// How often what failed is tried again.
const TICK: Duration = Duration::from_secs(1);

struct Handle {
    pod: watch::Sender<Option<Arc<Pod>>>,
    ip: Ipv4Addr,
}

struct Supervision {
    shared: Arc<Shared>,
    /// By the pod's UID.
    actors: HashMap<String, Handle>,
    tasks: JoinSet<()>,
    last_ip: Option<Ipv4Addr>,
    proxies: Proxies,
    hosts: String,
    stop: CancellationToken,
}

/// Follows pods and Services until `stop`, then waits until every process has ended.
pub(super) async fn run(shared: &Arc<Shared>, stop: &CancellationToken) {
    let mut supervision = Supervision {
        shared: Arc::clone(shared),
        actors: HashMap::new(),
        tasks: JoinSet::new(),
        last_ip: None,
        proxies: Proxies::new(stop.clone()),
        hosts: String::new(),
        stop: stop.clone(),
    };
    // Only `stop` ends a watch, and then the loop below does not begin.
    stop.run_until_cancelled(shared.caches.ready()).await;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_cancelled() {
        supervision.step().await;
        tokio::select! {
            () = shared.caches.changed.notified() => {}
            _ = ticks.tick() => {}
            () = stop.cancelled() => {}
        }
    }
    while supervision.tasks.join_next().await.is_some() {}
}

impl Supervision {
    async fn step(&mut self) {
        let pods = self.shared.caches.pods.state();
        let services = self.shared.caches.services.state();
        let plain_pods: Vec<&Pod> = pods.iter().map(AsRef::as_ref).collect();
        let plain_services: Vec<&Service> = services.iter().map(AsRef::as_ref).collect();
        self.write_hosts(&plain_pods, &plain_services);
        self.proxies.follow(&routes(&plain_services, &plain_pods)).await;
        self.reap();
        let name = self.shared.config.name.clone();
        let mut here = BTreeSet::new();
        for pod in &pods {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
            if node == Some(&name) {
                here.extend(pod.uid());
                self.tell(pod);
            } else if wants_a_node(pod) {
                self.bind(pod).await;
            }
        }
        for handle in self.actors.iter().filter(|(uid, _)| !here.contains(*uid)).map(|(_, handle)| handle) {
            handle.pod.send_if_modified(|pod| pod.take().is_some());
        }
    }

    /// Forgets actors that ended; a pod whose actor broke gets another.
    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a pod's actor broke");
            }
        }
        self.actors.retain(|_, handle| !handle.pod.is_closed());
    }

    /// Gives the pod as it is now to its actor.
    fn tell(&mut self, pod: &Arc<Pod>) {
        let uid = pod.uid().unwrap_or_default();
        if let Some(handle) = self.actors.get(&uid) {
            handle.pod.send_if_modified(|held| {
                let changed =
                    held.as_ref().is_none_or(|held| held.resource_version() != pod.resource_version());
                *held = Some(Arc::clone(pod));
                changed
            });
            return;
        }
        let Some(ip) = self.address(pod) else {
            tracing::error!(pod = pod.name_any(), "no address is free; the pod waits");
            return;
        };
        let (sender, receiver) = watch::channel(Some(Arc::clone(pod)));
        let actor = Actor::new(&self.shared, pod, receiver, ip);
        self.tasks.spawn(actor.run(self.stop.clone()));
        self.actors.insert(uid, Handle { pod: sender, ip });
    }

    /// The address that the pod had, if it is free, or a new one.
    fn address(&mut self, pod: &Pod) -> Option<Ipv4Addr> {
        let taken: BTreeSet<Ipv4Addr> = self.actors.values().map(|handle| handle.ip).collect();
        let had = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok());
        if let Some(had) = had.filter(|ip| !taken.contains(ip)) {
            return Some(had);
        }
        let next = addresses::next(self.shared.config.pod_network, &taken, self.last_ip)?;
        self.last_ip = Some(next);
        Some(next)
    }

    async fn bind(&self, pod: &Pod) {
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), &namespace_of(pod));
        let name = pod.name_any();
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "uid": pod.uid()},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self.shared.config.name},
        });
        let bound: Result<serde_json::Value, _> =
            api.create_subresource("binding", &name, &PostParams::default(), &binding).await;
        match bound {
            Ok(_) => {}
            // The watch had not seen that it is bound or gone.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => tracing::warn!(pod = name, %error, "pod not bound; tried again"),
        }
    }

    fn write_hosts(&mut self, pods: &[&Pod], services: &[&Service]) {
        let text = hosts::render(pods, services, self.shared.config.api_server.ip());
        if text == self.hosts {
            return;
        }
        match files::replace(&self.shared.config.folder.join("etc/hosts"), &text) {
            Ok(()) => self.hosts = text,
            Err(error) => tracing::warn!(%error, "hosts not written; tried again"),
        }
    }
}

/// Any node will do for any pod: selectors, affinity and taints are not looked at.
fn wants_a_node(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    spec.node_name.is_none()
        && spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
        && pod.metadata.deletion_timestamp.is_none()
}
