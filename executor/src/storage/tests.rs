use super::*;
use crate::testing::target;
use tempfile::TempDir;

fn secrets(values: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (key, value) in values {
        std::fs::write(folder.path().join(key), value).unwrap();
    }
    folder
}

fn fault(target: &StorageTarget, values: &[(&str, &str)]) -> StorageError {
    open(target, secrets(values).path()).unwrap_err()
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
}

/// Bug: virtual hosts are asked for in front of an address, which no name server knows.
#[test]
fn the_bucket_stands_in_front_of_names_only() {
    let named = parse_endpoint("https://s3.example.com:9000/base").unwrap();
    assert!(has_name(&named));
    assert_eq!(with_bucket(named, "b").unwrap().as_str(), "https://b.s3.example.com:9000/base");
    assert!(!has_name(&parse_endpoint("http://127.0.0.1:9000").unwrap()));
    assert!(!has_name(&parse_endpoint("http://[::1]:9000").unwrap()));
}
