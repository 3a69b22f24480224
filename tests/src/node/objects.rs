//! The Secrets and `ConfigMaps` that a pod names.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Secret, Volume};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use super::Shared;
use super::support::Problem;

/// Keys and values of one Secret or `ConfigMap`.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

/// What was found; an object that is not there is not in it.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) secrets: BTreeMap<String, Data>,
    pub(super) config_maps: BTreeMap<String, Data>,
}

/// Names that a pod refers to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needed {
    secrets: BTreeSet<String>,
    config_maps: BTreeSet<String>,
}

impl Needed {
    pub(super) fn by_volumes(pod: &Pod) -> Self {
        let mut needed = Self::default();
        for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            needed.add_volume(volume);
        }
        needed
    }

    pub(super) fn by_env(container: &Container) -> Self {
        let mut needed = Self::default();
        for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            needed.secrets.extend(source.secret_key_ref.iter().map(|key| key.name.clone()));
            needed.config_maps.extend(source.config_map_key_ref.iter().map(|key| key.name.clone()));
        }
        needed
    }

    fn add_volume(&mut self, volume: &Volume) {
        self.secrets.extend(volume.secret.iter().filter_map(|secret| secret.secret_name.clone()));
        self.config_maps.extend(volume.config_map.iter().map(|map| map.name.clone()));
        for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            self.secrets.extend(source.secret.iter().map(|secret| secret.name.clone()));
            self.config_maps.extend(source.config_map.iter().map(|map| map.name.clone()));
        }
    }

    /// As the API server has them now.
    pub(super) async fn live(&self, shared: &Shared, namespace: &str) -> Result<Objects, Problem> {
        let secrets: Api<Secret> = Api::namespaced(shared.client.clone(), namespace);
        let config_maps: Api<ConfigMap> = Api::namespaced(shared.client.clone(), namespace);
        let mut objects = Objects::default();
        for name in &self.secrets {
            if let Some(secret) = secrets.get_opt(name).await? {
                objects.secrets.insert(name.clone(), secret_data(&secret));
            }
        }
        for name in &self.config_maps {
            if let Some(map) = config_maps.get_opt(name).await? {
                objects.config_maps.insert(name.clone(), config_map_data(&map));
            }
        }
        Ok(objects)
    }

    /// As the watches last saw them: good enough to refresh files, and free.
    pub(super) fn cached(&self, shared: &Shared, namespace: &str) -> Objects {
        let caches = &shared.caches;
        let secret = |name: &String| {
            let found = caches.secrets.get(&ObjectRef::new(name).within(namespace))?;
            Some((name.clone(), secret_data(&found)))
        };
        let config_map = |name: &String| {
            let found = caches.config_maps.get(&ObjectRef::new(name).within(namespace))?;
            Some((name.clone(), config_map_data(&found)))
        };
        Objects {
            secrets: self.secrets.iter().filter_map(secret).collect(),
            config_maps: self.config_maps.iter().filter_map(config_map).collect(),
        }
    }
}

fn secret_data(secret: &Secret) -> Data {
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

fn config_map_data(map: &ConfigMap) -> Data {
    let text = map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
    text.chain(binary).collect()
}

/// The namespace of a pod; the API server lets no pod be without.
pub(super) fn namespace_of(pod: &Pod) -> String {
    pod.namespace().unwrap_or_default()
}
