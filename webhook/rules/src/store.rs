//! The object store: which one, where in it, and within which limits. What becomes a host elsewhere (region, bucket,
//! account) is held to letters that cannot end one host name and begin another.

use crate::request::tricks;
use crate::text::{is_blank, shown};
use crate::verdict::{Found, Reason, found, found_if};
use api::StorageTarget;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

const PROVIDERS: [&str; 3] = ["s3", "gcs", "azure"];

/// 5 MiB to 5 GiB: S3 takes no smaller part of a multipart upload, but for the last, and no larger one.
const PART_BYTES: RangeInclusive<i64> = 5 * 1024 * 1024..=5 * 1024 * 1024 * 1024;

/// Parts in flight.
const CONCURRENCY: RangeInclusive<i64> = 1..=64;

/// Longest prefix: it leaves room for the rest of a key, which has at most 1024 bytes.
const PREFIX_BYTES: usize = 512;

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// Whether a word has so many characters, all of `letters` or in `others`, and begins and ends with one of `letters`.
fn is_word(text: &str, length: RangeInclusive<usize>, letters: fn(char) -> bool, others: &str) -> bool {
    length.contains(&text.len())
        && text.starts_with(letters)
        && text.ends_with(letters)
        && text.chars().all(|c| letters(c) || others.contains(c))
}

fn given(field: Option<&String>) -> Option<&str> {
    field.map(String::as_str).filter(|text| !is_blank(text))
}

pub(crate) fn provider(target: &StorageTarget) -> Vec<Found> {
    let provider = target.provider.as_str();
    let message =
        format_args!("{} is no object store that is supported: use s3, gcs or azure", shown(provider, 63));
    let known = PROVIDERS.contains(&provider) || is_blank(provider);
    found_if(!known, "provider", Reason::NotSupported, message)
}

/// A bucket, or for Azure a container by either name.
pub(crate) fn bucket(target: &StorageTarget) -> Vec<Found> {
    let azure = target.provider == "azure";
    let container = target.azure.as_ref().filter(|_| azure).and_then(|azure| given(azure.container.as_ref()));
    let (field, name) = match container {
        Some(name) => ("azure.container", Some(name)),
        None => ("bucket", given(target.bucket.as_ref())),
    };
    match name {
        None if azure => {
            let message = "is required: name the container that holds the snapshots";
            vec![found("azure.container", Reason::Required, message)]
        }
        None => {
            let message = "is required: name the bucket that holds the snapshots";
            vec![found("bucket", Reason::Required, message)]
        }
        Some(name) => {
            let (fits, fix) = if azure {
                (is_container(name), "3 to 63 lower case letters, digits and single dashes")
            } else {
                (is_bucket(name), "3 to 222 letters, digits, dots, dashes and underscores")
            };
            let message = format_args!("{} is not the name of one: {fix}", shown(name, 63));
            found_if(!fits, field, Reason::Invalid, message)
        }
    }
}

/// Of S3 and of Google: the union of what both ever allowed. Neither allows what looks like an address.
fn is_bucket(name: &str) -> bool {
    is_word(name, 3..=222, alphanumeric, "-_.") && !name.contains("..") && name.parse::<Ipv4Addr>().is_err()
}

fn is_container(name: &str) -> bool {
    let own = matches!(name, "$root" | "$web" | "$logs");
    own || is_word(name, 3..=63, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), "-")
        && !name.contains("--")
}

/// Whether a text can be a region: it becomes a label of the host `s3.<region>.amazonaws.com`, so it is letters, digits
/// and dashes. For whoever reads one elsewhere than in a target.
#[must_use]
pub fn is_region(text: &str) -> bool {
    is_word(text, 1..=63, alphanumeric, "-")
}

pub(crate) fn region(target: &StorageTarget) -> Vec<Found> {
    let region = target.region.as_str();
    let message = format_args!(
        "{} is not a region: give letters, digits and dashes such as eu-central-1, or leave it out for us-east-1",
        shown(region, 63)
    );
    let fits = is_blank(region) || is_region(region);
    found_if(!fits, "region", Reason::Invalid, message)
}

/// The account is a label of the host `<account>.blob.core.windows.net`. A Secret may name it in its connection string.
pub(crate) fn account(target: &StorageTarget) -> Vec<Found> {
    if target.provider != "azure" {
        return Vec::new();
    }
    let account = target.azure.as_ref().and_then(|azure| given(azure.storage_account.as_ref()));
    let Some(account) = account else {
        let message = "is required where no Secret gives a connectionString: name the storage account";
        let known = target.credentials_secret_ref.is_some();
        return found_if(!known, "azure.storageAccount", Reason::Required, message);
    };
    let fits = is_word(account, 3..=24, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), "");
    let message = format_args!(
        "{} is not a storage account: give 3 to 24 lower case letters and digits",
        shown(account, 63)
    );
    found_if(!fits, "azure.storageAccount", Reason::Invalid, message)
}

/// The project goes into a header.
pub(crate) fn project(target: &StorageTarget) -> Vec<Found> {
    let project = target.gcs.as_ref().and_then(|gcs| given(gcs.project.as_ref()));
    let Some(project) = project else { return Vec::new() };
    let fits = is_word(project, 1..=100, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), "-.:");
    let message = format_args!(
        "{} is not the id of a project: give it as gcloud projects list shows it, or leave it out",
        shown(project, 63)
    );
    found_if(!fits, "gcs.project", Reason::Invalid, message)
}

/// `arn:<partition>:iam:<region>:<account>:role/<name>`; stores other than Amazon's leave some empty.
pub(crate) fn role(target: &StorageTarget) -> Vec<Found> {
    let Some(arn) = given(target.role_arn.as_ref()) else { return Vec::new() };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let fits = arn.chars().all(|c| c.is_ascii_graphic())
        && matches!(parts[..], ["arn", partition, "iam", _, _, role] if !partition.is_empty() && role.starts_with("role/"));
    let message = format_args!(
        "{} is not the ARN of a role: give it as arn:aws:iam::<account>:role/<name>",
        shown(arn, 63)
    );
    found_if(!fits, "roleArn", Reason::Invalid, message)
}

/// A field that nobody reads is a misunderstanding, and here one about credentials or places.
pub(crate) fn others(target: &StorageTarget) -> Vec<Found> {
    let gcs = target.gcs.as_ref().is_some_and(|gcs| gcs.project.is_some());
    let azure =
        target.azure.as_ref().is_some_and(|it| it.storage_account.is_some() || it.container.is_some());
    [("roleArn", "s3", target.role_arn.is_some()), ("gcs", "gcs", gcs), ("azure", "azure", azure)]
        .into_iter()
        .filter(|(_, reader, is_set)| *is_set && target.provider != *reader)
        .map(|(field, reader, _)| {
            let message =
                format!("is read with provider {reader} only: leave it out, or set provider to {reader}");
            found(field, Reason::Forbidden, message)
        })
        .collect()
}

/// Slashes at its ends do not count.
pub(crate) fn prefix(target: &StorageTarget) -> Vec<Found> {
    let Some(prefix) = given(target.path_prefix.as_ref()) else { return Vec::new() };
    let mut wrong = match prefix.trim_matches('/') {
        "" => Vec::new(),
        inner => tricks(inner),
    };
    if prefix.len() > PREFIX_BYTES {
        wrong.push("is longer than 512 bytes");
    }
    wrong
        .into_iter()
        .map(|trick| found("pathPrefix", Reason::Invalid, format!("{trick}: give it without that")))
        .collect()
}

/// Parts are neither too small nor too large for the store.
pub(crate) fn part_size(target: &StorageTarget) -> Vec<Found> {
    let message = "is not within 5 MiB and 5 GiB, which are the limits of S3: give 5242880 to 5368709120 bytes, or \
                   leave it out";
    found_if(!PART_BYTES.contains(&target.part_size), "partSize", Reason::Invalid, message)
}

/// Parts are not too many for the memory of a Job.
pub(crate) fn concurrency(target: &StorageTarget) -> Vec<Found> {
    let message = "is not within 1 and 64: give a number of parts in flight between them, or leave it out";
    found_if(!CONCURRENCY.contains(&target.concurrency), "concurrency", Reason::Invalid, message)
}

/// A store whose certificate nobody verifies.
pub(crate) fn unverified(target: &StorageTarget) -> Vec<Found> {
    let message = "anyone on the way can read and replace credentials and snapshots";
    found_if(target.insecure_skip_verify, "insecureSkipVerify", Reason::Risky, message)
}
