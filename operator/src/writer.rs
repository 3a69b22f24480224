//! Writes to one namespace, for restores and backups alike. Each asks first whether this replica still leads.

use crate::lease::Leadership;
use crate::restore::RestoreError;
use api::names;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
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

    /// By server-side apply: what others have added stays. Gives the object as it is now.
    pub(crate) async fn apply<K: Namespaced>(&self, object: &K) -> Result<K, RestoreError> {
        self.leadership.assured()?;
        let name = object.meta().name.clone().unwrap_or_default();
        Ok(self.api::<K>().patch(&name, &applying(), &Patch::Apply(object)).await?)
    }

    pub(crate) async fn create<K: Namespaced>(&self, object: &K) -> Result<(), RestoreError> {
        self.leadership.assured()?;
        self.api::<K>().create(&post(), object).await?;
        Ok(())
    }

    /// A `ServiceAccount` of ours, or one that somebody else made and that stays theirs: where the API server asks who
    /// sets an owner for the right to delete, nobody of ours has it.
    pub(crate) async fn apply_account(&self, mut account: ServiceAccount) -> Result<(), RestoreError> {
        let name = account.metadata.name.as_deref().unwrap_or_default();
        let there = self.api::<ServiceAccount>().get_opt(name).await?;
        let owners = |account: &ServiceAccount| {
            let owners = account.metadata.owner_references.iter().flatten();
            owners.map(|owner| owner.uid.clone()).collect::<Vec<_>>()
        };
        if there.is_some_and(|there| owners(&account).iter().any(|own| !owners(&there).contains(own))) {
            account.metadata.owner_references = None;
        }
        self.apply(&account).await.map(drop)
    }

    /// The right to one ticket. The binding comes last: it says that both are there, and it may be made only once the
    /// Role exists.
    pub(crate) async fn grant(&self, role: &Role, binding: &RoleBinding) -> Result<(), RestoreError> {
        let role_is_new = self.is_new(role).await?;
        // Where both were there, somebody else made them, and trying again at once changes nothing.
        if self.is_new(binding).await? || role_is_new { Ok(()) } else { Err(RestoreError::Raced) }
    }

    async fn is_new<K: Namespaced>(&self, object: &K) -> Result<bool, RestoreError> {
        match self.create(object).await {
            Err(RestoreError::Api(kube::Error::Api(status))) if status.is_already_exists() => Ok(false),
            other => other.map(|()| true),
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
