//! The two webhook configurations, as far as certificates go: their `caBundle` is read back and published.

use crate::answer::message;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, TestOperation};
use k8s_openapi::ByteString;
use kube::Resource;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};

/// Field manager of `caBundle` and of the PKI Secret. Not the chart's: whoever applies the chart leaves both alone.
pub(crate) const FIELD_MANAGER: &str = "openbao-recovery-pki";

/// Why a configuration was not read or written. It is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    #[error("{kind} {name} does not exist; nothing was written; install it, the chart has it")]
    Missing { kind: String, name: String },
    #[error("{kind} {name} cannot be read: {error}; nothing was written")]
    Unreadable { kind: String, name: String, error: serde_json::Error },
    #[error("{kind} {name} was not read or written: {}; it is tried again", message(.error))]
    Api { kind: String, name: String, error: kube::Error },
}

/// Where one configuration is.
#[derive(Clone)]
pub(crate) struct Place {
    api: Api<DynamicObject>,
    resource: ApiResource,
    name: String,
}

/// One configuration as read back.
pub(crate) struct Configuration {
    place: Place,
    resource_version: Option<String>,
    webhooks: Vec<Webhook>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    name: String,
    client_config: ClientConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientConfig {
    ca_bundle: Option<ByteString>,
}

impl Place {
    /// The configuration of kind `K` with this name.
    pub(crate) fn new<K: Resource<DynamicType = ()>>(client: &kube::Client, name: &str) -> Self {
        let resource = ApiResource::erase::<K>(&());
        Self { api: Api::all_with(client.clone(), &resource), resource, name: name.to_owned() }
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When it is missing or cannot be read.
    pub(crate) async fn read(&self) -> Result<Configuration, ConfigurationError> {
        let (kind, name) = (self.resource.kind.clone(), self.name.clone());
        let Some(object) = self.api.get_opt(&self.name).await.map_err(|error| self.refused(error))? else {
            return Err(ConfigurationError::Missing { kind, name });
        };
        let webhooks = object.data.get("webhooks").cloned().unwrap_or_else(|| json!([]));
        Ok(Configuration {
            place: self.clone(),
            resource_version: object.metadata.resource_version,
            webhooks: serde_json::from_value(webhooks).map_err(|error| ConfigurationError::Unreadable {
                kind,
                name,
                error,
            })?,
        })
    }

    fn refused(&self, error: kube::Error) -> ConfigurationError {
        ConfigurationError::Api { kind: self.resource.kind.clone(), name: self.name.clone(), error }
    }
}

impl Configuration {
    /// Its kind and name, for people.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.place.resource.kind, self.place.name)
    }

    /// Names of its webhooks.
    pub(crate) fn webhooks(&self) -> impl Iterator<Item = &str> {
        self.webhooks.iter().map(|webhook| webhook.name.as_str())
    }

    /// The PEM that callers of each webhook trust.
    pub(crate) fn ca_bundles(&self) -> impl Iterator<Item = &[u8]> {
        self.webhooks
            .iter()
            .map(|webhook| webhook.client_config.ca_bundle.as_ref().map_or(&[][..], |bundle| &bundle.0))
    }

    /// Writes the bundle into every webhook of it, unless the configuration has changed since it was read.
    ///
    /// By JSON patch: an owner by server-side apply would keep a webhook half alive that a later release of the chart
    /// drops, and the API server would refuse that release's apply.
    ///
    /// # Errors
    /// When the API server refuses.
    pub(crate) async fn publish(&self, bundle: &str) -> Result<(), ConfigurationError> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::<()>::Json(patch(self.resource_version.as_deref(), self.webhooks(), bundle));
        let written = self.place.api.patch(&self.place.name, &params, &patch).await;
        written.map(drop).map_err(|error| self.place.refused(error))
    }
}

/// Sets every `caBundle`, guarded by the version and by the names at their places.
fn patch<'a>(
    version: Option<&str>,
    webhooks: impl Iterator<Item = &'a str>,
    bundle: &str,
) -> json_patch::Patch {
    let bundle = json!(ByteString(bundle.as_bytes().to_vec()));
    let version = test(PointerBuf::from_tokens(["metadata", "resourceVersion"]), json!(version));
    let webhooks = webhooks.enumerate().flat_map(|(index, name)| {
        let index = index.to_string();
        let path = PointerBuf::from_tokens(["webhooks", &index, "clientConfig", "caBundle"]);
        let add = PatchOperation::Add(AddOperation { path, value: bundle.clone() });
        [test(PointerBuf::from_tokens(["webhooks", &index, "name"]), json!(name)), add]
    });
    json_patch::Patch(std::iter::once(version).chain(webhooks).collect())
}

fn test(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(version: &str, names: [&str; 2]) -> Value {
        let webhooks = names.map(|name| json!({"name": name, "clientConfig": {"service": {"name": "s"}}}));
        json!({"metadata": {"resourceVersion": version}, "webhooks": webhooks})
    }

    #[test]
    fn a_bundle_goes_into_what_was_read_and_nothing_else() {
        let patch = patch(Some("7"), ["a", "b"].into_iter(), "PEM");
        let mut as_read = stored("7", ["a", "b"]);
        json_patch::patch(&mut as_read, &patch).unwrap();
        assert_eq!(
            as_read.pointer("/webhooks/1/clientConfig"),
            Some(&json!({"service": {"name": "s"}, "caBundle": "UEVN"}))
        );
        for (name, mut changed) in [
            ("version", stored("8", ["a", "b"])),
            ("order", stored("7", ["b", "a"])),
            ("name", stored("7", ["a", "c"])),
        ] {
            assert!(json_patch::patch(&mut changed, &patch).is_err(), "{name}");
        }
    }
}
