//! Writes to one namespace, for restores and backups alike. Each asks first whether this replica still leads.

use crate::lease::Leadership;
use crate::restore::RestoreError;
use api::names;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

/// What is written.
pub(crate) trait Namespaced:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Serialize
{
}

impl<K> Namespaced for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug
        + Serialize
{
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acted {
    /// It was taken.
    Done,
    /// The world is not as it was read: nothing was written, look again.
    Raced,
}

impl Acted {
    /// A race is no error.
    pub(crate) fn of(written: Result<(), RestoreError>) -> Result<Self, RestoreError> {
        match written {
            Ok(()) => Ok(Self::Done),
            Err(RestoreError::Raced) => Ok(Self::Raced),
            Err(RestoreError::Api(error)) if is_race(&error) => Ok(Self::Raced),
            Err(error) => Err(error),
        }
    }
}

/// Writes to one namespace.
pub(crate) struct Writer<'a> {
    pub(crate) client: &'a Client,
    pub(crate) leadership: &'a Leadership,
    pub(crate) namespace: &'a str,
}

impl Writer<'_> {
    pub(crate) async fn merge<K: Namespaced>(&self, name: &str, patch: &Value) -> Result<(), RestoreError> {
        self.leadership.assured()?;
        self.api::<K>().patch(name, &params(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    pub(crate) async fn merge_status<K: Namespaced>(
        &self,
        name: &str,
        patch: &Value,
    ) -> Result<(), RestoreError> {
        self.leadership.assured()?;
        self.api::<K>().patch_status(name, &params(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// A status by server-side apply, over exactly the object that was read. Gives it as it is now; none when it was
    /// written or removed meanwhile.
    pub(crate) async fn apply_status<K: Namespaced>(
        &self,
        read: &K,
        status: impl Serialize,
    ) -> Result<Option<K>, RestoreError> {
        let metadata = read.meta();
        let name = metadata.name.as_deref().unwrap_or_default();
        let object = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": {
                "name": name, "namespace": metadata.namespace,
                "uid": metadata.uid, "resourceVersion": metadata.resource_version,
            },
            "status": status,
        });
        self.leadership.assured()?;
        match self.api::<K>().patch_status(name, &applying(), &Patch::Apply(&object)).await {
            Ok(written) => Ok(Some(written)),
            Err(error) if is_race(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// By server-side apply: what others have added stays.
    pub(crate) async fn apply<K: Namespaced>(&self, object: &K) -> Result<(), RestoreError> {
        self.leadership.assured()?;
        let name = object.meta().name.clone().unwrap_or_default();
        self.api::<K>().patch(&name, &applying(), &Patch::Apply(object)).await?;
        Ok(())
    }

    pub(crate) async fn create<K: Namespaced>(&self, object: &K) -> Result<(), RestoreError> {
        self.leadership.assured()?;
        self.api::<K>().create(&post(), object).await?;
        Ok(())
    }

    pub(crate) async fn create_if_absent<K: Namespaced>(&self, object: &K) -> Result<(), RestoreError> {
        match self.create(object).await {
            Err(RestoreError::Api(kube::Error::Api(status))) if status.is_already_exists() => Ok(()),
            other => other,
        }
    }

    /// Exactly the object of this UID.
    pub(crate) async fn delete<K: Namespaced>(
        &self,
        name: &str,
        uid: &str,
        how: DeleteParams,
    ) -> Result<(), RestoreError> {
        let only = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        self.leadership.assured()?;
        self.api::<K>().delete(name, &how.preconditions(only)).await?;
        Ok(())
    }

    /// What is gone already is as it should be.
    pub(crate) async fn remove<K: Namespaced>(&self, name: &str) -> Result<(), RestoreError> {
        self.leadership.assured()?;
        match self.api::<K>().delete(name, &DeleteParams::background()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            other => other.map(|_| ()).map_err(RestoreError::from),
        }
    }

    pub(crate) fn api<K: Namespaced>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}

/// Somebody was faster, or the object is gone.
fn is_race(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status)
        if status.is_conflict() || status.is_already_exists() || status.is_not_found())
}

fn applying() -> PatchParams {
    PatchParams::apply(names::MANAGER).force()
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(names::MANAGER.to_owned()), ..PatchParams::default() }
}

pub(crate) fn post() -> PostParams {
    PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() }
}
