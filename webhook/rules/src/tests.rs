//! What holds for every object. Single cases are files under `tests/cases`, which every door is held to.

mod properties;
mod telling;

use crate::address::Networks;
use crate::{Kind, Subject, Verdict, judge};
use serde_json::{Value, json};

const NAMESPACE: &str = "security";

/// A request with every field set, as the user's manifest and more.
fn restore() -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore",
        "metadata": {"name": "prod-restore", "namespace": NAMESPACE},
        "spec": {
            "cluster": "prod-cluster",
            "source": {
                "target": {
                    "provider": "s3", "endpoint": "https://s3.amazonaws.com", "bucket": "openbao-backups",
                    "region": "us-east-1", "pathPrefix": "clusters", "usePathStyle": true,
                    "credentialsSecretRef": {"name": "s3-credentials", "namespace": NAMESPACE, "key": "k"},
                    "roleArn": "arn:aws:iam::123456789012:role/recovery", "partSize": 10_485_760, "concurrency": 3,
                    "insecureSkipVerify": false
                },
                "key": "clusters/prod/backup-2026-03-20.snap", "sha256": "0".repeat(64)
            },
            "jwtAuthRole": "openbao-operator-restore", "jwtAuthMount": "jwt", "audience": "openbao-internal",
            "executorImage": "recovery:1", "force": false, "overrideOperationLock": false,
            "startingDeadlineSeconds": 3600
        }
    })
}

fn cluster() -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "prod-cluster", "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "backup": {
                "schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "jwtAuthRole": "backup",
                "target": {"bucket": "openbao-backups", "credentialsSecretRef": {"name": "s3-credentials"}},
                "retention": {"maxCount": 7, "maxAge": "168h"}
            },
            "restore": {"jwtAuthRole": "restore"},
            "connection": {
                "addresses": ["https://bao-0.bao.security.svc:8200"],
                "caSecretRef": {"name": "prod-cluster-tls-ca"}, "tlsServerName": "bao.security.svc"
            }
        }
    })
}

fn judged(kind: Kind, new: &Value, old: Option<&Value>) -> Verdict {
    judge(&Subject::new(kind, NAMESPACE, new, old, &Networks::default()).as_written())
}

/// `value` at a path of dots, whose parents are made; `null` removes.
fn with(object: &Value, path: &str, value: Value) -> Value {
    let mut object = object.clone();
    let (parents, last) = path.rsplit_once('.').unwrap();
    let parent = parents.split('.').fold(&mut object, |at, name| {
        if !at.is_object() {
            *at = json!({});
        }
        at.as_object_mut().unwrap().entry(name).or_insert_with(|| json!({}))
    });
    if !parent.is_object() {
        *parent = json!({});
    }
    let parent = parent.as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(last);
    } else {
        parent.insert(last.to_owned(), value);
    }
    object
}

/// The path of every field that holds no other fields.
fn leaves(object: &Value) -> Vec<String> {
    fn collect(path: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| collect(&format!("{path}.{name}"), value, found));
            }
            _ => found.push(path.to_owned()),
        }
    }
    let mut found = Vec::new();
    collect("spec", &object["spec"], &mut found);
    found
}
