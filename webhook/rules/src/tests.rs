//! Each case breaks one thing in a good object and names the rule and field that must answer.

mod cases;
mod properties;

use crate::{Kind, Subject, Verdict, judge};
use serde_json::{Value, json};

const NAMESPACE: &str = "security";

/// The request of the user's manifest, complete.
fn restore() -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore",
        "metadata": {"name": "prod-restore", "namespace": NAMESPACE},
        "spec": {
            "cluster": "prod-cluster",
            "source": {
                "target": {
                    "provider": "s3", "endpoint": "https://s3.amazonaws.com", "bucket": "openbao-backups",
                    "region": "us-east-1", "credentialsSecretRef": {"name": "s3-credentials"}
                },
                "key": "clusters/prod/backup-2026-03-20.snap"
            },
            "jwtAuthRole": "openbao-operator-restore"
        }
    })
}

fn cluster() -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "prod-cluster", "namespace": NAMESPACE},
        "spec": {
            "backup": {
                "schedule": "0 3 * * *", "jwtAuthRole": "backup",
                "target": {"bucket": "openbao-backups", "credentialsSecretRef": {"name": "s3-credentials"}}
            },
            "connection": {"caSecretRef": {"name": "prod-cluster-tls-ca"}}
        }
    })
}

fn judged(kind: Kind, new: &Value, old: Option<&Value>) -> Verdict {
    judge(&Subject::new(kind, NAMESPACE, new, old))
}

/// `value` at a path of dots, whose parents are made; `null` removes.
fn with(object: &Value, path: &str, value: Value) -> Value {
    let mut object = object.clone();
    let (parents, last) = path.rsplit_once('.').unwrap();
    let parent = parents.split('.').fold(&mut object, |at, name| {
        let fields = at.as_object_mut().unwrap();
        fields.entry(name).or_insert_with(|| json!({}))
    });
    let parent = parent.as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(last);
    } else {
        parent.insert(last.to_owned(), value);
    }
    object
}
