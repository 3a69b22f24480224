//! The object store: credentials out of mounted files, and a client that goes nowhere else.

mod fault;

pub(crate) use fault::StoreFault;

use crate::dial::Guard;
use crate::pem;
use crate::report::{Fault, anew, told};
use crate::steps;
use api::StorageTarget;
use api::conditions::Reason;
use api::task::Task;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::client::{HttpClient, HttpConnector};
use object_store::path::Path as ObjectPath;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use plan::proof::SLOWEST;
use reqwest::Client;
use rules::address::{Address, Door};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the next byte of an answer once a request is with the store.
const STALL: Duration = Duration::from_mins(1);
/// Tries of one request beside the first.
const RETRIES: usize = 4;

/// Why there is no client for the object store. Nothing was read or changed.
#[derive(Debug, Error)]
pub(crate) enum StorageError {
    #[error(
        "Provider {0:?} cannot be used by this release of the executor: it speaks s3 only. Use a store that speaks S3."
    )]
    Provider(String),
    #[error("The target names no bucket. Name one, then try again.")]
    NoBucket,
    #[error(
        "The target names no Secret, and this release of the executor has no workload identity. Name one with accessKeyId and secretAccessKey."
    )]
    NoSecret,
    #[error("The Secret has no usable key {key}: {fault}. Add it to the Secret, then try again.")]
    SecretKey { key: &'static str, fault: String },
    #[error("The endpoint {endpoint:?} {why}. Give the URL of the store, then try again.")]
    Endpoint { endpoint: String, why: String },
    #[error(
        "The bucket {0:?} cannot stand in front of the host of the endpoint. Set usePathStyle: true, or give the name of the bucket, then try again."
    )]
    Bucket(String),
    #[error(
        "No client for the store could be made: {0}. If the store's certificate is not from a public authority, put the authority's into key caCert of the Secret."
    )]
    Client(String),
}

impl Fault for StorageError {
    fn reason(&self) -> Reason {
        match self {
            Self::Provider(_) | Self::NoBucket | Self::Bucket(_) | Self::Endpoint { .. } => {
                Reason::SpecRefused
            }
            Self::NoSecret | Self::SecretKey { .. } => Reason::StorageDenied,
            Self::Client(_) => Reason::StorageUnreachable,
        }
    }

    fn field(&self) -> Option<String> {
        let field = match self {
            Self::Provider(_) => "provider",
            Self::NoBucket | Self::Bucket(_) => "bucket",
            Self::NoSecret | Self::SecretKey { .. } => "credentialsSecretRef",
            Self::Endpoint { .. } | Self::Client(_) => "endpoint",
        };
        Some(format!("spec.source.target.{field}"))
    }

    fn is_passing(&self) -> bool {
        false
    }

    fn next_step(&self, task: &Task) -> String {
        match self {
            Self::NoSecret | Self::SecretKey { .. } => steps::store_secret(task),
            _ => anew(task, self.field()),
        }
    }
}

/// The path of a key; none for one that cannot be the key of an object, or that the store would write in another way.
pub(crate) fn path(key: &str) -> Option<ObjectPath> {
    ObjectPath::parse(key).ok().filter(|path| !key.is_empty() && path.as_ref() == key)
}

/// A client for the bucket of the target, with the credentials in `folder`, that dials what `guard` lets it.
pub(crate) fn open(target: &StorageTarget, folder: &Path, guard: &Guard) -> Result<AmazonS3, StorageError> {
    if target.provider != "s3" {
        return Err(StorageError::Provider(target.provider.clone()));
    }
    let bucket = target.bucket.as_deref().ok_or(StorageError::NoBucket)?;
    if target.credentials_secret_ref.is_none() {
        return Err(StorageError::NoSecret);
    }
    let secret = MountedSecret(folder.to_owned());
    // Without these nothing else matters.
    let (key_id, key) = (secret.required("accessKeyId")?, secret.required("secretAccessKey")?);
    let region = region(target, &secret)?;
    let place = Place::find(target, bucket, &region)?;
    let client = client(target, &place.address, &secret, guard)?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_access_key_id(key_id)
        .with_secret_access_key(key)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES,
            retry_timeout: patience(target),
        })
        // The store holds what it keeps against this; without it only the ways are checked.
        .with_checksum_algorithm(Checksum::SHA256)
        // Objects go one at a time, and not every store knows how to delete several.
        .with_disable_bulk_delete(true)
        .with_client_options(ClientOptions::new().with_allow_http(place.address.is_plaintext()))
        .with_virtual_hosted_style_request(place.virtual_hosted)
        .with_endpoint(place.address.as_str())
        .with_http_connector(Connector(client));
    if let Some(token) = secret.optional("sessionToken")? {
        builder = builder.with_token(token);
    }
    builder.build().map_err(|error| StorageError::Client(told(&error)))
}

/// Longest wait for the next byte of an answer, and the longest time after which a request is tried again: a part is on its
/// way beside others for as long as they take at the slowest pace that is borne.
fn patience(target: &StorageTarget) -> Duration {
    let in_flight = target.part_size.saturating_mul(target.concurrency);
    STALL.saturating_add(Duration::from_secs(u64::try_from(in_flight).unwrap_or_default() / SLOWEST))
}

/// The region of the target, unless the Secret has one, which no admission has seen.
fn region(target: &StorageTarget, secret: &MountedSecret) -> Result<String, StorageError> {
    let Some(region) = secret.optional("region")? else { return Ok(target.region.clone()) };
    if rules::is_region(&region) {
        return Ok(region);
    }
    let fault = "it is not letters, digits and dashes such as eu-central-1".to_owned();
    Err(StorageError::SecretKey { key: "region", fault })
}

/// Where the requests for a bucket go.
struct Place {
    address: Address,
    /// Whether the bucket is part of the host.
    virtual_hosted: bool,
}

impl Place {
    fn find(target: &StorageTarget, bucket: &str, region: &str) -> Result<Self, StorageError> {
        let endpoint = target.endpoint.clone().unwrap_or_else(|| amazon(region));
        let address = Address::parse(&endpoint)
            .map_err(|error| StorageError::Endpoint { endpoint, why: error.to_string() })?;
        // No bucket stands in front of an address.
        if target.use_path_style || address.literal().is_some() {
            return Ok(Self { address, virtual_hosted: false });
        }
        let named = address.with_name(&format!("{bucket}.{}", address.host()));
        let address = named.ok_or_else(|| StorageError::Bucket(bucket.to_owned()))?;
        Ok(Self { address, virtual_hosted: true })
    }
}

/// Amazon's own endpoint of a region, in the domain of its partition.
fn amazon(region: &str) -> String {
    let domain = match region.split('-').collect::<Vec<_>>()[..] {
        ["cn", ..] => "amazonaws.com.cn",
        ["eusc", ..] => "amazonaws.eu",
        ["us", "iso", ..] => "c2s.ic.gov",
        ["us", "isob", ..] => "sc2s.sgov.gov",
        ["us", "isof", ..] => "csp.hci.ic.gov",
        ["eu", "isoe", ..] => "cloud.adc-e.uk",
        _ => "amazonaws.com",
    };
    format!("https://s3.{region}.{domain}")
}

/// The HTTP client for this address alone: no limit for a whole answer but one for each stall.
fn client(
    target: &StorageTarget,
    address: &Address,
    secret: &MountedSecret,
    guard: &Guard,
) -> Result<Client, StorageError> {
    let certificates = secret
        .optional("caCert")?
        .map(|pem| pem::authorities(&pem))
        .transpose()
        .map_err(|fault| StorageError::SecretKey { key: "caCert", fault })?
        .unwrap_or_default();
    let guarded = guard.client(address, Door::Storage).map_err(|denied| StorageError::Endpoint {
        endpoint: address.as_str().to_owned(),
        why: denied.to_string(),
    })?;
    let builder = guarded
        .connect_timeout(CONNECT)
        .read_timeout(patience(target))
        .https_only(!address.is_plaintext())
        .tls_danger_accept_invalid_certs(target.insecure_skip_verify);
    let builder = if address.is_plaintext() {
        // Without TLS no certificate is looked at, so none of the system have to be there.
        builder.tls_certs_only([])
    } else {
        builder.tls_certs_merge(certificates)
    };
    builder.build().map_err(|error| StorageError::Client(told(&error)))
}

/// The files of a mounted Secret: one for each key.
struct MountedSecret(PathBuf);

impl MountedSecret {
    /// The value of a key; line ends around it do not count, since editors and shells add them.
    fn optional(&self, key: &'static str) -> Result<Option<String>, StorageError> {
        match std::fs::read_to_string(self.0.join(key)) {
            Ok(text) if text.trim().is_empty() => {
                Err(StorageError::SecretKey { key, fault: "it is empty".to_owned() })
            }
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::SecretKey { key, fault: error.to_string() }),
        }
    }

    fn required(&self, key: &'static str) -> Result<String, StorageError> {
        self.optional(key)?.ok_or_else(|| StorageError::SecretKey { key, fault: "it is missing".to_owned() })
    }
}

/// The one HTTP client that the store is given.
#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[cfg(test)]
mod tests;
