//! The annotations by which a human decides: only with `settle` are they set or changed, and everybody may remove them.

use crate::people::{Person, Right, administer, admitted, refused};
use crate::support::{cluster, good, settled, undisturbed};
use serde_json::{Value, json};

const ANNOTATIONS: [&str; 3] = ["abandon", "outcome", "again"];

fn annotated(mut object: Value, key: &str) -> Value {
    object["metadata"]["annotations"] = json!({format!("openbao.org/{key}"): "uid"});
    object
}

fn named_cluster(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": name, "namespace": namespace}, "spec": {}
    })
}

/// Somebody who may write both kinds and restore.
async fn dave(namespace: &str) -> Person {
    let verbs = ["get", "create", "update", "patch"];
    let mut rights =
        ["openbaorestores", "openbaoclusters"].map(|resource| Right::to(&verbs, resource)).to_vec();
    rights.extend([Right::to(&["restore"], "openbaoclusters"), Right::to_use("s3-credentials")]);
    Person::with("dave", namespace, &rights).await
}

#[tokio::test]
async fn a_decision_is_for_who_may_settle() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("settle");
    let dave = dave(&namespace).await;
    let (restore, of_cluster) = (good(&namespace, "r"), named_cluster(&namespace, "c"));
    administer(&["create", "-f", "-"], Some(&restore));
    settled(&namespace).await;
    administer(&["create", "-f", "-"], Some(&of_cluster));
    let objects = [
        ("openbaorestore", "r", &restore, "settle on openbaoclusters/prod-cluster "),
        ("openbaocluster", "c", &of_cluster, "settle on openbaoclusters/c "),
    ];
    let apply = ["apply", "--server-side", "-f", "-"];
    let tried = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
    for (kind, name, object, settle) in objects {
        for key in ANNOTATIONS {
            let set = format!("openbao.org/{key}=uid");
            let field = format!("metadata.annotations[openbao.org/{key}]:");
            let tells = ["dave", &field, settle];
            let object = annotated(object.clone(), key);
            refused(&dave.kubectl(&["annotate", kind, name, &set], None), &tells);
            refused(&dave.kubectl(&["annotate", kind, name, &set, "--dry-run=server"], None), &tells);
            refused(&dave.kubectl(&apply, Some(&object)), &tells);
            refused(&dave.kubectl(&tried, Some(&object)), &tells);
            refused(&dave.kubectl(&["replace", "-f", "-"], Some(&object)), &tells);
        }
    }
    for key in ANNOTATIONS {
        let new = annotated(good(&namespace, "new"), key);
        let field = format!("metadata.annotations[openbao.org/{key}]:");
        refused(&dave.kubectl(&["create", "-f", "-"], Some(&new)), &["dave", &field]);
    }

    let settler = Person::with("sue", &namespace, &[Right::to(&["get", "patch"], "openbaorestores")]).await;
    settler.may(&[Right::to(&["get", "patch"], "openbaoclusters")]).await;
    settler.may(&["prod-cluster", "c"].map(|name| Right::on_cluster("settle", name))).await;
    for (kind, name, object, _) in objects {
        for key in ANNOTATIONS {
            let (set, remove) = (format!("openbao.org/{key}=uid"), format!("openbao.org/{key}-"));
            admitted(&settler.kubectl(&tried, Some(&annotated(object.clone(), key))));
            admitted(&settler.kubectl(&["annotate", kind, name, &set, "--dry-run=server"], None));
            admitted(&settler.kubectl(&["annotate", kind, name, &set], None));
            let other = format!("openbao.org/{key}=another");
            refused(&dave.kubectl(&["annotate", "--overwrite", kind, name, &other], None), &["dave", key]);
            admitted(&dave.kubectl(&["annotate", kind, name, "example.org/note=mine"], None));
            admitted(&dave.kubectl(&["annotate", kind, name, &remove, "example.org/note-"], None));
        }
    }
}

/// Who may settle for one cluster may not for another, whatever the update says of the request's cluster.
#[tokio::test]
async fn a_decision_is_of_the_cluster_that_the_request_was_made_for() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("settle-other");
    let dave = dave(&namespace).await;
    dave.may(&[Right::on_cluster("settle", "other-cluster")]).await;
    administer(&["create", "-f", "-"], Some(&good(&namespace, "r")));
    let moved = json!({
        "metadata": {"annotations": {"openbao.org/again": "uid"}}, "spec": {"cluster": "other-cluster"}
    });
    let answer = dave.merge("openbaorestore", "r", &[], &moved);
    refused(&answer, &["dave", "settle on openbaoclusters/prod-cluster"]);
}
