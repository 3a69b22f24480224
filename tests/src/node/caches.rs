//! What the node watches.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use kube::runtime::reflector::{self, Store, store::WriterDropped};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(super) struct Caches {
    pub(super) pods: Store<Pod>,
    pub(super) services: Store<Service>,
    pub(super) secrets: Store<Secret>,
    pub(super) config_maps: Store<ConfigMap>,
    /// A pod or a Service changed.
    pub(super) changed: Arc<Notify>,
}

impl Caches {
    pub(super) fn watch(client: &Client, stop: &CancellationToken) -> Self {
        let changed = Arc::new(Notify::new());
        // A Secret that changed is seen at the next refresh of its volume.
        let unheard = Arc::new(Notify::new());
        Self {
            pods: follow(client, &changed, stop),
            services: follow(client, &changed, stop),
            secrets: follow(client, &unheard, stop),
            config_maps: follow(client, &unheard, stop),
            changed,
        }
    }

    /// Waits until each watch has seen all there is.
    pub(super) async fn ready(&self) -> Result<(), WriterDropped> {
        tokio::try_join!(
            self.pods.wait_until_ready(),
            self.services.wait_until_ready(),
            self.secrets.wait_until_ready(),
            self.config_maps.wait_until_ready(),
        )?;
        Ok(())
    }
}

fn follow<K>(client: &Client, changed: &Arc<Notify>, stop: &CancellationToken) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let api: Api<K> = Api::all(client.clone());
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let (changed, stop) = (Arc::clone(changed), stop.clone());
    tokio::spawn(async move {
        let each = reflector::reflector(writer, events).for_each(|event| {
            if let Err(error) = event {
                tracing::warn!(kind = %K::kind(&()), %error, "watch broken; it is tried again");
            }
            changed.notify_one();
            std::future::ready(())
        });
        stop.run_until_cancelled(each).await;
    });
    reader
}
