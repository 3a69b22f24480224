//! What an `OpenBaoCluster` may name, by the rights of who edits it; and that whoever may edit everything of it and has
//! none of our verbs can send neither a token nor a Secret's credential elsewhere.

use crate::deletion::{at_work, holder};
use crate::people::{Person, Right, administer, admitted, refused};
use crate::support::{cluster, undisturbed};
use serde_json::{Value, json};

const FOREIGN: &str = "registry.example/anything:1";
/// Field manager of the stored objects and of who changes them, so that what a manifest leaves out is removed.
const MANAGER: &str = "--field-manager=gitops";

/// A cluster with everything that a change could lead elsewhere.
fn stored(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "version": "2.7.2",
            "backup": {
                "schedule": "0 3 * * *",
                "tokenSecretRef": {"name": "token"},
                "target": {
                    "endpoint": "https://s3.amazonaws.com", "bucket": "openbao-backups",
                    "credentialsSecretRef": {"name": "s3-credentials"}
                }
            },
            "connection": {
                "addresses": ["https://bao.example:8200"], "tlsServerName": "bao.example",
                "caSecretRef": {"name": "authority"}
            }
        }
    })
}

/// What an editor may do to every cluster.
fn edit() -> Right {
    Right::to(&["get", "list", "create", "update", "patch", "delete"], "openbaoclusters")
}

/// A change as a merge patch of `spec`, the rights that it takes, the last of which is missing, and what its refusal names.
struct Case {
    spec: Value,
    rights: Vec<Right>,
    tells: [&'static str; 2],
}

fn verb(verb: &'static str) -> Right {
    Right::to(&[verb], "openbaoclusters")
}

fn rights(verbs: &[&'static str], secrets: &[&str]) -> Vec<Right> {
    verbs.iter().map(|name| verb(name)).chain(secrets.iter().map(|secret| Right::to_use(secret))).collect()
}

const CREDENTIALS: [&str; 2] = ["spec.backup.target.credentialsSecretRef.name:", "the Secret s3-credentials"];
const TOKEN: [&str; 2] = ["spec.backup.tokenSecretRef.name:", "the Secret token"];

/// Changes of where OpenBao is.
fn reconnections() -> Vec<Case> {
    let mut cases = Vec::new();
    for connection in [
        json!({"addresses": ["https://elsewhere.example:8200"]}),
        json!({"tlsServerName": "elsewhere.example"}),
        json!({"caSecretRef": {"name": "other"}}),
        json!({"caSecretRef": {"key": "other.crt"}}),
        Value::Null,
    ] {
        let mut all = rights(&[], &["authority", "other", "token", "s3-credentials"]);
        all.push(verb("connect"));
        let tells = ["spec.connection:", "connect on openbaoclusters/"];
        cases.push(Case { spec: json!({"connection": connection}), rights: all, tells });
    }
    for (connection, others, last, tells) in [
        (
            json!({"caSecretRef": {"name": "other"}}),
            ["token", "s3-credentials"],
            "other",
            ["spec.connection.caSecretRef.name:", "the Secret other"],
        ),
        (
            json!({"addresses": ["https://elsewhere.example"]}),
            ["authority", "s3-credentials"],
            "token",
            TOKEN,
        ),
        (
            json!({"addresses": ["https://elsewhere.example"]}),
            ["authority", "token"],
            "s3-credentials",
            CREDENTIALS,
        ),
    ] {
        let mut all = rights(&["connect"], &others);
        all.push(Right::to_use(last));
        cases.push(Case { spec: json!({"connection": connection}), rights: all, tells });
    }
    cases
}

/// Changes of where backups go, and by whose word.
fn retargets() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in [
        json!({"endpoint": "https://elsewhere.example"}),
        json!({"endpoint": null}),
        json!({"bucket": "elsewhere"}),
        json!({"region": "eu-west-1"}),
        json!({"pathPrefix": "elsewhere"}),
        json!({"insecureSkipVerify": true}),
        json!({"credentialsSecretRef": {"key": "other"}}),
    ] {
        let all = rights(&[], &["token", "s3-credentials"]);
        cases.push(Case { spec: json!({"backup": {"target": target}}), rights: all, tells: CREDENTIALS });
    }
    for (backup, all, tells) in [
        (json!({"target": {"bucket": "elsewhere"}}), rights(&[], &["s3-credentials", "token"]), TOKEN),
        (
            json!({"target": {"credentialsSecretRef": {"name": "other"}}}),
            rights(&[], &["token", "other"]),
            ["spec.backup.target.credentialsSecretRef.name:", "the Secret other"],
        ),
        (
            json!({"tokenSecretRef": {"name": "other"}}),
            rights(&[], &["other"]),
            ["spec.backup.tokenSecretRef.name:", "the Secret other"],
        ),
        (json!({"tokenSecretRef": {"key": "root"}}), rights(&[], &["token"]), TOKEN),
    ] {
        cases.push(Case { spec: json!({"backup": backup}), rights: all, tells });
    }
    cases
}

/// Changes of who backs up.
fn identities() -> Vec<Case> {
    let identity = |secrets: &[&str]| {
        let mut all = rights(&[], secrets);
        all.push(verb("use-cloud-identity"));
        all
    };
    let on_cluster = "use-cloud-identity on openbaoclusters/";
    [
        (
            json!({"target": {"credentialsSecretRef": null}}),
            identity(&["token"]),
            ["spec.backup.target.credentialsSecretRef:", on_cluster],
        ),
        (
            json!({"target": {"roleArn": "arn:aws:iam::1:role/r"}}),
            identity(&["token", "s3-credentials"]),
            ["spec.backup.target.roleArn:", on_cluster],
        ),
        (
            json!({"executorImage": FOREIGN}),
            rights(&["use-image"], &[]),
            ["spec.backup.executorImage:", "use-image on openbaoclusters/"],
        ),
        (
            json!({"image": FOREIGN}),
            rights(&["use-image"], &[]),
            ["spec.backup.image:", "use-image on openbaoclusters/"],
        ),
    ]
    .map(|(backup, rights, tells)| Case { spec: json!({"backup": backup}), rights, tells })
    .into()
}

fn apply<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["apply", "--server-side", "--force-conflicts", MANAGER, "-f", "-"], more].concat()
}

async fn each_needs_its_right(prefix: &str, cases: Vec<Case>) {
    let namespace = cluster().namespace(prefix);
    for (index, Case { spec, mut rights, tells }) in cases.into_iter().enumerate() {
        let name = format!("c-{index}");
        let before = stored(&namespace, &name);
        administer(&apply(&[]), Some(&before));
        let missing = rights.pop().unwrap();
        rights.push(edit());
        let eve = Person::with(&format!("eve-{index}"), &namespace, &rights).await;
        let mut after = before;
        json_patch::merge(&mut after["spec"], &spec);
        let change = json!({"spec": spec});
        let tells = [&eve.name, tells[0], tells[1]];

        refused(&eve.merge("openbaocluster", &name, &[], &change), &tells);
        refused(&eve.merge("openbaocluster", &name, &["--dry-run=server"], &change), &tells);
        refused(&eve.kubectl(&apply(&[]), Some(&after)), &tells);
        refused(&eve.kubectl(&apply(&["--dry-run=server"]), Some(&after)), &tells);
        refused(&eve.kubectl(&["replace", "-f", "-"], Some(&after)), &tells);

        eve.may(&[missing]).await;
        admitted(&eve.merge("openbaocluster", &name, &["--dry-run=server"], &change));
        admitted(&eve.kubectl(&apply(&["--dry-run=server"]), Some(&after)));
        admitted(&eve.merge("openbaocluster", &name, &[], &change));
    }
}

#[tokio::test]
async fn who_may_not_connect_cannot_have_a_token_sent_elsewhere() {
    let _guard = undisturbed().await;
    each_needs_its_right("reconnect", reconnections()).await;
}

#[tokio::test]
async fn who_may_not_use_a_secret_cannot_have_it_used_elsewhere() {
    let _guard = undisturbed().await;
    each_needs_its_right("retarget", retargets()).await;
}

#[tokio::test]
async fn who_may_not_cannot_choose_an_identity_or_an_image() {
    let _guard = undisturbed().await;
    each_needs_its_right("identity", identities()).await;
}

#[tokio::test]
async fn a_new_cluster_names_only_what_its_maker_may_use() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("new-cluster");
    let eve = Person::with("eve", &namespace, &[edit()]).await;
    let target = json!({"bucket": "openbao-backups", "credentialsSecretRef": {"name": "s3-credentials"}});
    let anonymous = json!({"bucket": "openbao-backups"});
    for (spec, tells) in [
        (json!({"connection": {"addresses": ["https://elsewhere.example"]}}), "spec.connection:"),
        (json!({"connection": {}}), "spec.connection:"),
        (json!({"backup": {"jwtAuthRole": "r", "target": target}}), CREDENTIALS[0]),
        (json!({"backup": {"tokenSecretRef": {"name": "token"}, "target": anonymous}}), TOKEN[0]),
        (
            json!({"backup": {"jwtAuthRole": "r", "target": anonymous}}),
            "spec.backup.target.credentialsSecretRef:",
        ),
    ] {
        let mut new = stored(&namespace, "new");
        new["spec"] = spec;
        for way in [&["create", "-f", "-"][..], &["create", "--dry-run=server", "-f", "-"], &apply(&[])] {
            refused(&eve.kubectl(way, Some(&new)), &["eve", tells, "new"]);
        }
        new["metadata"] = json!({"generateName": "new-", "namespace": namespace});
        refused(&eve.kubectl(&["create", "-f", "-"], Some(&new)), &["eve", tells]);
    }
    let mut plain = stored(&namespace, "plain");
    plain["spec"] = json!({"version": "2.7.2"});
    admitted(&eve.kubectl(&["create", "-f", "-"], Some(&plain)));
}

/// What is named and stays is not judged again, so that an editor without our verbs can work on all else; and no detour
/// over a cluster without it leads around a verb.
#[tokio::test]
async fn an_editor_without_our_verbs_edits_all_else_and_finds_no_detour() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("editor");
    let before = stored(&namespace, "c");
    administer(&apply(&[]), Some(&before));
    let eve = Person::with("eve", &namespace, &[edit()]).await;
    let merge = |spec: Value| eve.merge("openbaocluster", "c", &[], &json!({"spec": spec}));

    admitted(&merge(json!({"version": "2.7.3", "replicas": 5})));
    admitted(&merge(json!({"backup": {"schedule": "0 4 * * *", "retention": {"maxCount": 7}}})));
    // How it logs in at the same servers; only spec.connection leads to others.
    admitted(&merge(json!({"backup": {"jwtAuthRole": "r", "jwtAuthMount": "other", "audience": "a"}})));
    admitted(&eve.kubectl(&["annotate", "openbaocluster", "c", "openbao.org/trigger-backup=now"], None));

    let elsewhere = json!({"bucket": "elsewhere", "credentialsSecretRef": {"name": "s3-credentials"}});
    let with_token =
        json!({"tokenSecretRef": {"name": "token"}, "target": before["spec"]["backup"]["target"]});
    admitted(&merge(json!({"backup": {"tokenSecretRef": null, "jwtAuthRole": "r"}})));
    refused(&merge(json!({"backup": with_token})), &[TOKEN[0]]);
    admitted(&merge(json!({"backup": null})));
    refused(&merge(json!({"backup": {"jwtAuthRole": "r", "target": elsewhere}})), &[CREDENTIALS[0]]);

    admitted(&eve.kubectl(&["delete", "openbaocluster", "c"], None));
    refused(&eve.kubectl(&apply(&[]), Some(&before)), &["spec.connection:"]);
    let mut unconnected = before;
    unconnected["spec"].as_object_mut().unwrap().remove("connection");
    refused(&eve.kubectl(&apply(&[]), Some(&unconnected)), &[CREDENTIALS[0]]);
}

/// Bug: a restore posts to one OpenBao and is proved by another, since somebody has changed the addresses meanwhile.
#[tokio::test]
async fn the_servers_of_a_restore_stay_the_same_while_it_holds_the_lock() {
    let _guard = undisturbed().await;
    let namespace = cluster().namespace("frozen");
    let before = stored(&namespace, "c");
    at_work(&namespace, &before["spec"]).await;
    let holder = holder(&namespace);
    let (_, uid) = holder.rsplit_once('/').unwrap();
    let way_out = format!("openbaorestore r -n {namespace} openbao.org/abandon={uid}");
    let kubectl = |arguments: &[&str], manifest: Option<&Value>| {
        let manifest = manifest.map(Value::to_string);
        cluster().kubectl(&[arguments, &["-n", &namespace]].concat(), manifest.as_deref())
    };
    let merge = |more: &[&str], change: &Value| {
        let change = change.to_string();
        kubectl(&[&["patch", "openbaocluster", "c", "--type=merge", "-p", &change], more].concat(), None)
    };
    let lock = |holder: Option<&str>| {
        let lock = holder.map(|holder| json!({"operation": "Backup", "holder": holder}));
        admitted(&merge(&["--subresource=status"], &json!({"status": {"operationLock": lock}})));
    };

    for connection in [
        json!({"addresses": ["https://elsewhere.example:8200"]}),
        json!({"tlsServerName": null}),
        json!({"caSecretRef": {"name": "other"}}),
        Value::Null,
    ] {
        let change = json!({"spec": {"connection": connection}});
        let mut after = before.clone();
        json_patch::merge(&mut after, &change);
        for output in [
            merge(&[], &change),
            merge(&["--dry-run=server"], &change),
            kubectl(&["replace", "-f", "-"], Some(&after)),
        ] {
            refused(&output, &["spec.connection:", &holder, "proves its outcome", &way_out]);
        }
    }
    admitted(&merge(&[], &json!({"spec": {"replicas": 5, "backup": {"schedule": "0 4 * * *"}}})));
    admitted(&merge(&[], &json!({"spec": {"connection": before["spec"]["connection"]}})));

    let elsewhere =
        |host: &str| json!({"spec": {"connection": {"addresses": [format!("https://{host}.example")]}}});
    lock(Some("openbao-recovery/backup/b/uid"));
    admitted(&merge(&[], &elsewhere("under-a-backup")));
    lock(None);
    admitted(&merge(&[], &elsewhere("free")));
}
