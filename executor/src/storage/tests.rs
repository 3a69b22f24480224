use super::*;
use crate::testing::{guard, target};
use tempfile::TempDir;

fn secrets(values: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (key, value) in values {
        std::fs::write(folder.path().join(key), value).unwrap();
    }
    folder
}

fn fault(target: &StorageTarget, values: &[(&str, &str)]) -> StorageError {
    open(target, secrets(values).path(), &guard()).unwrap_err()
}

const KEYS: [(&str, &str); 2] = [("accessKeyId", "a"), ("secretAccessKey", "b")];

/// Bug: a Secret that lacks a key ends as a refused signature, or as a request to a metadata service.
#[test]
fn a_secret_that_lacks_a_key_is_told_by_key() {
    let plain = target("http://127.0.0.1:1");
    let missing = |values: &[(&str, &str)]| match fault(&plain, values) {
        StorageError::SecretKey { key, .. } => key,
        other => panic!("{other}"),
    };
    assert_eq!(missing(&[]), "accessKeyId");
    assert_eq!(missing(&KEYS[..1]), "secretAccessKey");
    assert_eq!(missing(&[KEYS[0], ("secretAccessKey", "\n")]), "secretAccessKey");
    for pem in ["no PEM", "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n"] {
        assert_eq!(missing(&[KEYS[0], KEYS[1], ("caCert", pem)]), "caCert");
    }
    for region in ["x@169.254.169.254/#", "eu.attacker.example", "eu/"] {
        assert_eq!(missing(&[KEYS[0], KEYS[1], ("region", region)]), "region", "{region}");
    }
}

#[test]
fn targets_that_cannot_be_used_are_told_by_field() {
    let good = target("http://127.0.0.1:1");
    let bent = |bend: fn(&mut StorageTarget)| {
        let mut target = good.clone();
        bend(&mut target);
        fault(&target, &KEYS).field().unwrap().rsplit('.').next().unwrap().to_owned()
    };
    assert_eq!(bent(|target| target.provider = "gcs".to_owned()), "provider");
    assert_eq!(bent(|target| target.bucket = None), "bucket");
    assert_eq!(bent(|target| target.credentials_secret_ref = None), "credentialsSecretRef");
    assert_eq!(bent(|target| target.endpoint = Some("store:9000".to_owned())), "endpoint");
    assert_eq!(bent(|target| target.endpoint = Some("file:///etc".to_owned())), "endpoint");
    assert_eq!(bent(|target| target.endpoint = Some("http://169.254.169.254".to_owned())), "endpoint");
    let port_of_a_host = |target: &mut StorageTarget| {
        target.endpoint = Some("https://minio.example".to_owned());
        (target.bucket, target.use_path_style) = (Some("attacker.example:x".to_owned()), false);
    };
    assert_eq!(bent(port_of_a_host), "bucket");
}

/// Bug: large parts over a slow line never arrive, since each is given up while it is still sent.
#[test]
fn a_part_has_the_time_that_it_takes_beside_the_others() {
    let mut target = target("http://127.0.0.1:1");
    for (part, concurrency, seconds) in [(10 << 20, 3, 66), (128 << 20, 5, 188), (5 << 30, 64, 60 + 65_536)] {
        (target.part_size, target.concurrency) = (part, concurrency);
        assert_eq!(patience(&target).as_secs(), seconds, "{part} {concurrency}");
    }
}

/// Bug: virtual hosts are asked for in front of an address, which no name server knows; or a region of China is looked for
/// in the domain of the others.
#[test]
fn the_bucket_stands_in_front_of_names_only() {
    let place = |endpoint: Option<&str>, use_path_style, region: &str| {
        let endpoint = endpoint.map(str::to_owned);
        let target = StorageTarget { endpoint, use_path_style, ..target("https://a.example") };
        let place = Place::find(&target, "b", region).ok().unwrap();
        (place.address.as_str().to_owned(), place.virtual_hosted)
    };
    for (endpoint, path_style, found, virtual_hosted) in [
        ("https://s3.example.com:9000/", false, "https://b.s3.example.com:9000", true),
        ("https://s3.example.com:9000", true, "https://s3.example.com:9000", false),
        ("http://127.0.0.1:9000", false, "http://127.0.0.1:9000", false),
        ("http://[::1]:9000", false, "http://[::1]:9000", false),
    ] {
        assert_eq!(place(Some(endpoint), path_style, "r"), (found.to_owned(), virtual_hosted));
    }
    for (region, host) in [
        ("us-east-1", "s3.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "s3.eusc-de-east-1.amazonaws.eu"),
        ("us-isob-east-1", "s3.us-isob-east-1.sc2s.sgov.gov"),
    ] {
        assert_eq!(place(None, true, region), (format!("https://{host}"), false));
        assert_eq!(place(None, false, region), (format!("https://b.{host}"), true));
    }
}
