//! Server-side apply of objects written as JSON.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Client, ResourceExt};
use serde_json::Value;

const MANAGER: &str = "local-cluster";

/// Applies `objects` in their order.
pub(crate) async fn apply(client: &Client, objects: Vec<Value>) -> Result<(), kube::Error> {
    for object in objects {
        let object: DynamicObject = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
        let kind = GroupVersionKind::try_from(object.types.as_ref().unwrap_or(&TypeMeta::default()))
            .map_err(|error| kube::Error::Service(error.into()))?;
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let name = object.name_any();
        api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&object)).await?;
    }
    Ok(())
}
