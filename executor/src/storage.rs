//! The object store: credentials out of mounted files, and a client that goes nowhere else.

use crate::pem;
use crate::report::{Fault, told};
use crate::steps;
use api::StorageTarget;
use api::conditions::Reason;
use api::task::Task;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use reqwest::{Certificate, redirect};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use url::{Host, Url};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the next byte of an answer.
const STALL: Duration = Duration::from_mins(1);
/// No request is tried again later than this after its beginning.
const RETRY: Duration = Duration::from_mins(1);
/// Tries of one request beside the first.
const RETRIES: usize = 4;

/// Why there is no client for the object store. Nothing was read or changed.
#[derive(Debug, Error)]
pub(crate) enum StorageError {
    #[error(
        "Provider {0:?} cannot be used by this release of the executor: it reads s3 only. Use a store that speaks S3."
    )]
    Provider(String),
    #[error("The target names no bucket. Create a new request that does.")]
    NoBucket,
    #[error(
        "The target names no Secret, and this release of the executor has no workload identity. Name one with accessKeyId and secretAccessKey."
    )]
    NoSecret,
    #[error("The Secret has no usable key {key}: {fault}. Add it to the Secret, then create a new request.")]
    SecretKey { key: &'static str, fault: String },
    #[error(
        "The endpoint {0:?} is not an http or https URL with a host. Create a new request with the URL of the store."
    )]
    Endpoint(String),
    #[error(
        "No client for the store could be made: {0}. If the store's certificate is not from a public authority, put the authority's into key caCert of the Secret."
    )]
    Client(String),
}

impl Fault for StorageError {
    fn reason(&self) -> Reason {
        match self {
            Self::Provider(_) | Self::NoBucket | Self::Endpoint(_) => Reason::SpecRefused,
            Self::NoSecret | Self::SecretKey { .. } => Reason::StorageDenied,
            Self::Client(_) => Reason::StorageUnreachable,
        }
    }

    fn field(&self) -> Option<String> {
        let field = match self {
            Self::Provider(_) => "provider",
            Self::NoBucket => "bucket",
            Self::NoSecret | Self::SecretKey { .. } => "credentialsSecretRef",
            Self::Endpoint(_) | Self::Client(_) => "endpoint",
        };
        Some(format!("spec.source.target.{field}"))
    }

    fn is_passing(&self) -> bool {
        false
    }

    fn next_step(&self, task: &Task) -> String {
        match self {
            Self::NoSecret | Self::SecretKey { .. } => steps::store_secret(task),
            _ => steps::new_request(task, self.field().as_deref()),
        }
    }
}

/// A client for the bucket of the target, with the credentials in `folder`.
pub(crate) fn open(target: &StorageTarget, folder: &Path) -> Result<AmazonS3, StorageError> {
    if target.provider != "s3" {
        return Err(StorageError::Provider(target.provider.clone()));
    }
    let bucket = target.bucket.as_deref().ok_or(StorageError::NoBucket)?;
    if target.credentials_secret_ref.is_none() {
        return Err(StorageError::NoSecret);
    }
    let secret = MountedSecret(folder.to_owned());
    let region = secret.optional("region")?.unwrap_or_else(|| target.region.clone());
    let endpoint = target.endpoint.as_deref().map(parse_endpoint).transpose()?;
    let plaintext = endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http");
    let certificates = secret
        .optional("caCert")?
        .map(|pem| pem::authorities(&pem))
        .transpose()
        .map_err(|fault| StorageError::SecretKey { key: "caCert", fault })?
        .unwrap_or_default();
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_access_key_id(secret.required("accessKeyId")?)
        .with_secret_access_key(secret.required("secretAccessKey")?)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES,
            retry_timeout: RETRY,
        })
        .with_client_options(ClientOptions::new().with_allow_http(plaintext))
        .with_http_connector(Connector { plaintext, insecure: target.insecure_skip_verify, certificates });
    if let Some(token) = secret.optional("sessionToken")? {
        builder = builder.with_token(token);
    }
    let virtual_hosted = !target.use_path_style && endpoint.as_ref().is_none_or(has_name);
    builder = builder.with_virtual_hosted_style_request(virtual_hosted);
    if let Some(endpoint) = endpoint {
        let endpoint = if virtual_hosted { with_bucket(endpoint, bucket)? } else { endpoint };
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
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

fn parse_endpoint(text: &str) -> Result<Url, StorageError> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| StorageError::Endpoint(text.to_owned()))
}

/// Whether a bucket can stand in front of the host: not in front of an address.
fn has_name(endpoint: &Url) -> bool {
    matches!(endpoint.host(), Some(Host::Domain(_)))
}

fn with_bucket(mut endpoint: Url, bucket: &str) -> Result<Url, StorageError> {
    let host = format!("{bucket}.{}", endpoint.host_str().unwrap_or_default());
    match endpoint.set_host(Some(&host)) {
        Ok(()) => Ok(endpoint),
        Err(_) => Err(StorageError::Endpoint(host)),
    }
}

/// Makes the HTTP clients of the store: no redirects, no proxy, no limit for a whole answer but one for each stall.
#[derive(Debug)]
struct Connector {
    plaintext: bool,
    insecure: bool,
    certificates: Vec<Certificate>,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        // Ranges of one connection of HTTP/2 would wait for each other.
        let builder = reqwest::Client::builder()
            .http1_only()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .https_only(!self.plaintext)
            .tls_danger_accept_invalid_certs(self.insecure);
        let builder = if self.plaintext {
            // Without TLS no certificate is looked at, so none of the system have to be there.
            builder.tls_certs_only([])
        } else {
            builder.tls_certs_merge(self.certificates.clone())
        };
        let client = builder
            .build()
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(HttpClient::new(client))
    }
}

#[cfg(test)]
mod tests;
