//! An S3 store on the cluster's node: a Deployment of the program `object-store` with a Service before it, over TLS,
//! with signatures checked. [`serve`] is that program.

mod manifests;
mod server;

pub use server::{ServeError, Settings, serve};
pub(crate) use server::{acceptor, acceptor_of};

use crate::cluster::apply::apply;
use crate::control_plane::secrets::token;
use crate::control_plane::{ChanceError, LIFETIME, Slot};
use certs::issue;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use kube::runtime::wait::await_condition;
use manifests::Material;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Image of its pod: the program `/object-store`.
pub const IMAGE: &str = "local/object-store";
/// Its namespace.
pub const NAMESPACE: &str = "storage";
/// A bucket that is there.
pub const BUCKET: &str = "backups";
/// The region that clients may name.
pub const REGION: &str = "us-east-1";

const NAME: &str = "s3";
const PORT: u16 = 9000;
/// Which address of the slot its Service has.
const SERVICE_ADDRESS: u8 = 20;
/// Measured: 2 s on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A store that answers.
#[derive(Clone, Debug)]
pub struct ObjectStore {
    /// URL from the host. Pods use `https://s3.storage.svc:9000`.
    pub address: String,
    /// PEM of the CA of its certificate.
    pub authority: PathBuf,
    /// Of the one account.
    pub access_key: String,
    /// Of the one account.
    pub secret_key: String,
}

/// Why there is no object store.
#[derive(Debug, thiserror::Error)]
pub enum ObjectStoreError {
    /// No certificate.
    #[error("no certificate for the object store: {0}")]
    Issue(#[from] issue::IssueError),
    /// No random numbers.
    #[error(transparent)]
    Chance(#[from] ChanceError),
    /// The API server refused an object of it, or did not answer.
    #[error("the objects of the object store: {0}")]
    Kube(#[from] kube::Error),
    /// Its Deployment could not be watched.
    #[error("the Deployment of the object store: {0}")]
    Watch(#[from] kube::runtime::wait::Error),
    /// Its pod did not get ready.
    #[error(
        "the object store was not ready within {READY_WITHIN:?}; the log of its pod is in node/logs of the cluster's folder"
    )]
    NotReady,
    /// Its CA could not be written.
    #[error("the CA of the object store could not be kept: {0}")]
    Io(#[from] std::io::Error),
}

/// Files of uploads that are neither completed nor aborted, in the store of the cluster in `folder`.
///
/// # Errors
/// When its data cannot be read.
pub fn uploads(folder: &Path) -> io::Result<Vec<String>> {
    let names = std::fs::read_dir(folder.join("object-store/data"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(names.into_iter().filter(|name| name.starts_with(".upload")).collect())
}

/// Starts the store. Objects and CA lie in `object-store` of `folder`.
pub async fn start(
    client: &kube::Client,
    slot: &Slot,
    folder: &Path,
) -> Result<ObjectStore, ObjectStoreError> {
    let service = slot.service_address(SERVICE_ADDRESS);
    let now = Timestamp::now();
    let authority = issue::authority("object store", now, LIFETIME)?;
    let host = format!("{NAME}.{NAMESPACE}.svc");
    let names = [host.clone(), format!("{host}.cluster.local"), service.to_string()];
    let leaf = issue::leaf(&authority, &names, now, LIFETIME)?;
    let kept = folder.join("object-store");
    let (data, ca) = (kept.join("data"), kept.join("ca.crt"));
    std::fs::create_dir_all(&kept)?;
    std::fs::write(&ca, &authority.certificate)?;

    let (access_key, secret_key) = (token()?, token()?);
    let material =
        Material { leaf: &leaf, access_key: &access_key, secret_key: &secret_key, data: &data, service };
    apply(client, manifests::all(&material)).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let ready = await_condition(deployments, NAME, |deployment: Option<&Deployment>| {
        let status = deployment.and_then(|deployment| deployment.status.as_ref());
        status.and_then(|status| status.ready_replicas).is_some_and(|ready| ready > 0)
    });
    tokio::time::timeout(READY_WITHIN, ready).await.map_err(|_| ObjectStoreError::NotReady)??;
    Ok(ObjectStore { address: format!("https://{service}:{PORT}"), authority: ca, access_key, secret_key })
}
