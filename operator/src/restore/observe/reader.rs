//! Reads Jobs, tickets and pods of one namespace by name.

use super::seen::{self, JOB_NAME};
use crate::restore::RestoreError;
use api::lock::Holder;
use api::{OpenBaoCluster, OpenBaoRestore, Operation, OperationLock, names};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, ListParams, ObjectMeta};
use kube::{Client, Resource};
use plan::restore::{Rival, Run};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// What there is under the name of a Job.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) run: Run,
    /// The ticket as it was read.
    pub(crate) ticket: Option<Lease>,
    pub(crate) role: Option<ObjectMeta>,
    pub(crate) binding: Option<ObjectMeta>,
}

/// Reads what belongs to one namespace.
pub(crate) struct Reader<'a> {
    pub(crate) client: &'a Client,
    pub(crate) namespace: &'a str,
}

impl Reader<'_> {
    /// Job, ticket, rights and pods of one name, for the request, or the Job of a backup, `uid`.
    pub(crate) async fn run(&self, name: &str, uid: &str) -> Result<Found, RestoreError> {
        let (jobs, leases) = (self.api::<Job>(), self.api::<Lease>());
        let (roles, bindings) = (self.api::<Role>(), self.api::<RoleBinding>());
        let (job, lease, role, binding, pods) = tokio::try_join!(
            async { Ok::<_, RestoreError>(jobs.get_opt(name).await?) },
            async { Ok(leases.get_opt(name).await?) },
            async { Ok(roles.get_metadata_opt(name).await?) },
            async { Ok(bindings.get_metadata_opt(name).await?) },
            self.pods(name, uid),
        )?;
        let (role, binding) = (role.map(|role| role.metadata), binding.map(|binding| binding.metadata));
        let is_own = |metadata: &Option<ObjectMeta>| metadata.as_ref().is_some_and(|it| seen::is_of(it, uid));
        let granted = is_own(&role) && is_own(&binding);
        let ticket = lease.as_ref().map(seen::ticket);
        let holder = ticket.as_ref().and_then(|ticket| ticket.holder.as_deref()).unwrap_or_default();
        let run = Run { job: job.as_ref().map(seen::job), pods: seen::pods(&pods, holder), ticket, granted };
        Ok(Found { run, ticket: lease, role, binding })
    }

    /// What is known of another operation of ours that holds the lock.
    pub(super) async fn rival(
        &self,
        cluster: Option<&OpenBaoCluster>,
        uid: &str,
    ) -> Result<(Option<Rival>, Option<Lease>), RestoreError> {
        let lock = cluster.and_then(|cluster| cluster.status.as_ref()?.operation_lock.as_ref());
        let Some(holder) = lock.and_then(OperationLock::our_holder).filter(|holder| holder.uid != uid) else {
            return Ok((None, None));
        };
        self.owner(&holder).await
    }

    /// What is known of the operation of ours that holds a lock; beside it its ticket as it was read.
    pub(crate) async fn owner(
        &self,
        holder: &Holder,
    ) -> Result<(Option<Rival>, Option<Lease>), RestoreError> {
        match holder.operation {
            Operation::Restore => self.restore(holder).await,
            Operation::Backup => Ok((Some(self.backup(holder).await?), None)),
        }
    }

    async fn restore(&self, holder: &Holder) -> Result<(Option<Rival>, Option<Lease>), RestoreError> {
        let name = names::restore_job(&holder.name);
        let leases = self.api::<Lease>();
        let (request, lease, pods_left) = tokio::try_join!(
            self.get::<OpenBaoRestore>(&holder.name, &holder.uid),
            async { Ok(leases.get_opt(&name).await?) },
            self.pods_left(&name, &holder.uid),
        )?;
        let lease = lease.filter(|lease| seen::is_of(&lease.metadata, &holder.uid));
        let rival = Rival::Restore {
            over: request.as_ref().is_none_or(is_at_rest),
            recorded: request.and_then(|request| request.status?.ticket_uid),
            ticket: lease.as_ref().map(seen::ticket),
            pods_left,
        };
        Ok((Some(rival), lease))
    }

    async fn backup(&self, holder: &Holder) -> Result<Rival, RestoreError> {
        let (job, pods_left) = tokio::try_join!(
            self.get::<Job>(&holder.name, &holder.uid),
            self.pods_left(&holder.name, &holder.uid)
        )?;
        Ok(Rival::Backup { job: job.as_ref().map(seen::job), pods_left })
    }

    /// The object of this name and UID.
    async fn get<K>(&self, name: &str, uid: &str) -> Result<Option<K>, RestoreError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let found = self.api::<K>().get_opt(name).await?;
        Ok(found.filter(|object| object.meta().uid.as_deref() == Some(uid)))
    }

    /// Whether a pod of a Job is left that was made for the request, or the Job of a backup, `uid`.
    async fn pods_left(&self, job: &str, uid: &str) -> Result<bool, RestoreError> {
        Ok(self.pods(job, uid).await?.iter().any(seen::is_left))
    }

    /// A pod outlives its Job where that is deleted without its dependents: one that was made for another is none of these.
    async fn pods(&self, job: &str, uid: &str) -> Result<Vec<Pod>, RestoreError> {
        let of_job = ListParams::default().labels(&format!("{JOB_NAME}={job}"));
        let all = self.api::<Pod>().list(&of_job).await?;
        Ok(all.into_iter().filter(|pod| seen::is_pod_of(pod, uid)).collect())
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}

/// Whether a request gives nothing back any more by itself.
fn is_at_rest(request: &OpenBaoRestore) -> bool {
    let finalizers = request.metadata.finalizers.as_deref().unwrap_or_default();
    let is_guarded = finalizers.iter().any(|name| name == names::FINALIZER);
    !is_guarded && request.status.as_ref().is_some_and(|status| status.phase.is_terminal())
}
