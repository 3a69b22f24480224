//! An OpenBao cluster with something to lose: secrets in it, snapshots of it in the store, and the owner's side of a
//! restore set up as the README tells.

use crate::harness::Cluster;
use crate::object_store::{BUCKET, REGION};
use crate::openbao::{NAMESPACE, OpenBao, trusting};
use anyhow::{Context, ensure};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{Certificate, ClientOptions, ObjectStore, ObjectStoreExt, path::Path};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// What the owner of an OpenBao gives to each of our purposes, as the examples have it: policy, role, and what is in them.
const GRANTS: [(&str, &str, &str, &str); 2] = [
    (
        "restore",
        ROLE_NAME,
        include_str!("../../deploy/examples/openbao-restore-policy.hcl"),
        include_str!("../../deploy/examples/openbao-restore-role.json"),
    ),
    (
        "backup",
        "backup",
        include_str!("../../deploy/examples/openbao-backup-policy.hcl"),
        include_str!("../../deploy/examples/openbao-backup-role.json"),
    ),
];
/// Role of a restore in OpenBao.
const ROLE_NAME: &str = "openbao-operator-restore";

/// Bytes of a value that makes a cluster large. OpenBao takes at most 1 MiB with raft.
pub const VALUE: usize = 700_000;

/// An election takes seconds, a server that was killed begins with a restart, and a busy machine takes its time for both.
const LEADS_WITHIN: Duration = Duration::from_mins(2);

/// One cluster, and the store.
pub struct Scenario<'a> {
    /// Where it runs.
    pub cluster: &'a Cluster,
    /// Whom it asks, and with what.
    pub openbao: OpenBao,
    /// Of requests, and of the Secrets they name.
    namespace: String,
    name: String,
    http: reqwest::Client,
    store: AmazonS3,
}

impl<'a> Scenario<'a> {
    /// Sets up secrets engine, policy, JWT auth and role in OpenBao, and the Secrets that requests name.
    ///
    /// # Errors
    /// What OpenBao or the API server refused.
    pub async fn prepare(cluster: &'a Cluster, name: &str) -> anyhow::Result<Self> {
        Self::of(cluster, NAMESPACE, name, cluster.openbao(name)).await
    }

    /// The same for any OpenBao that is, or will be, an OpenBaoCluster of that name.
    ///
    /// # Errors
    /// What OpenBao or the API server refused.
    pub async fn of(
        cluster: &'a Cluster,
        namespace: &str,
        name: &str,
        openbao: OpenBao,
    ) -> anyhow::Result<Self> {
        let http = trusting(&std::fs::read(&openbao.authority)?)?.build()?;
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let scenario = Self { cluster, openbao, namespace, name, http, store: store(cluster)? };
        scenario.set_up_openbao().await.context("the owner's side in OpenBao")?;
        scenario.set_up_secrets().await.context("the Secrets of requests")?;
        Ok(scenario)
    }

    /// Sets up the same in servers that were initialised anew.
    ///
    /// # Errors
    /// What OpenBao refused.
    pub async fn set_up_anew(&mut self, openbao: OpenBao) -> anyhow::Result<()> {
        self.openbao = openbao;
        self.set_up_openbao().await
    }

    async fn set_up_openbao(&self) -> anyhow::Result<()> {
        let key = std::fs::read_to_string(self.cluster.variable("SERVICE_ACCOUNT_PUBLIC_KEY"))?;
        self.bao(Method::POST, "sys/mounts/app", json!({"type": "kv"})).await?;
        self.bao(Method::POST, "sys/auth/jwt", json!({"type": "jwt"})).await?;
        let issuer = "https://kubernetes.default.svc";
        let config = json!({"bound_issuer": issuer, "jwt_validation_pubkeys": [key]});
        self.bao(Method::POST, "auth/jwt/config", config).await?;
        self.grant_all().await
    }

    /// Gives its OpenBaoCluster what it needs, in data that came from elsewhere too.
    ///
    /// # Errors
    /// What OpenBao refused.
    pub async fn grant_all(&self) -> anyhow::Result<()> {
        for (policy, role, what, whose) in GRANTS {
            self.bao(Method::POST, &format!("sys/policies/acl/{policy}"), json!({"policy": what})).await?;
            self.grant(role, whose, &self.name).await?;
        }
        Ok(())
    }

    /// Lets another OpenBaoCluster of the namespace in, by roles that end in its name: `restore-<name>`, `backup-<name>`.
    ///
    /// # Errors
    /// What OpenBao refused.
    pub async fn admit(&self, cluster: &str) -> anyhow::Result<()> {
        for (policy, _, _, whose) in GRANTS {
            self.grant(&format!("{policy}-{cluster}"), whose, cluster).await?;
        }
        Ok(())
    }

    async fn grant(&self, role: &str, whose: &str, cluster: &str) -> anyhow::Result<()> {
        let whose = whose.replace("NAMESPACE", &self.namespace).replace("CLUSTER", cluster);
        self.bao(Method::POST, &format!("auth/jwt/role/{role}"), serde_json::from_str(&whose)?).await?;
        Ok(())
    }

    async fn set_up_secrets(&self) -> anyhow::Result<()> {
        let token = self.bao(Method::POST, "auth/token/create", json!({"policies": ["restore"]})).await?;
        let authority = std::fs::read_to_string(self.cluster.variable("AWS_CA_BUNDLE"))?;
        self.secret(
            "s3-credentials",
            &json!({
                "accessKeyId": self.cluster.variable("AWS_ACCESS_KEY_ID"),
                "secretAccessKey": self.cluster.variable("AWS_SECRET_ACCESS_KEY"),
                "caCert": authority,
            }),
        )?;
        self.secret(&format!("{}-restore-token", self.name), &json!({"token": token["auth"]["client_token"]}))
    }

    /// Makes or replaces a Secret in the namespace of the cluster.
    ///
    /// # Errors
    /// What the API server refused.
    pub fn secret(&self, name: &str, data: &Value) -> anyhow::Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace}, "stringData": data
        });
        let output = self.cluster.kubectl(&["apply", "--server-side", "-f", "-"], Some(&secret.to_string()));
        ensure!(output.code == 0, "Secret {name}: {}", output.stderr);
        Ok(())
    }

    /// Asks OpenBao as root.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn bao(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        self.ask(&self.openbao.address, method, path, body).await
    }

    /// Asks another server of the cluster as root.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn ask(&self, address: &str, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        self.ask_by(&self.http, address, method, path, body).await
    }

    async fn ask_by(
        &self,
        http: &reqwest::Client,
        address: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let url = format!("{address}/v1/{path}");
        let request = http.request(method, url).header("X-Vault-Token", &self.openbao.root_token);
        let answer = request.json(&body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// Writes the secret that everything is about.
    ///
    /// # Errors
    /// When OpenBao refuses.
    pub async fn write(&self, value: &str) -> anyhow::Result<()> {
        self.bao(Method::POST, "app/treasure", json!({"value": value})).await.map(|_| ())
    }

    /// Writes so many values of [`VALUE`] bytes.
    ///
    /// # Errors
    /// When OpenBao refuses.
    pub async fn fill(&self, values: usize) -> anyhow::Result<()> {
        let value = json!({"value": "x".repeat(VALUE)});
        for number in 0..values {
            self.bao(Method::POST, &format!("app/bulk/{number}"), value.clone()).await?;
        }
        Ok(())
    }

    /// Reads it back, from the leader: a standby may be behind the last write.
    ///
    /// # Errors
    /// When OpenBao refuses, or it is not there, or nobody leads.
    pub async fn read(&self) -> anyhow::Result<String> {
        let (http, address) = self.leader().await?;
        self.value(&http, &address).await
    }

    /// Reads it from another server of the cluster.
    ///
    /// # Errors
    /// When that refuses, or it is not there.
    pub async fn read_from(&self, address: &str) -> anyhow::Result<String> {
        self.value(&self.http, address).await
    }

    async fn value(&self, http: &reqwest::Client, address: &str) -> anyhow::Result<String> {
        let answer = self.ask_by(http, address, Method::GET, "app/treasure", Value::Null).await?;
        answer["data"]["value"].as_str().map(str::to_owned).context("no value")
    }

    /// Takes a snapshot, from the leader: that of a standby may be older than the last write, and one that has just been
    /// started has none to give.
    ///
    /// # Errors
    /// When OpenBao refuses.
    pub async fn snapshot(&self) -> anyhow::Result<Vec<u8>> {
        let leader = async || self.leader().await.ok();
        let (http, address) = self.cluster.eventually("a leader", LEADS_WITHIN, leader).await;
        let url = format!("{address}/v1/sys/storage/raft/snapshot");
        let request = http.get(url).header("X-Vault-Token", &self.openbao.root_token);
        Ok(request.send().await?.error_for_status()?.bytes().await?.to_vec())
    }

    /// Has a server restore this snapshot, by hand. It answers before it begins.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn restore_by_hand(&self, address: &str, snapshot: Vec<u8>) -> anyhow::Result<()> {
        let url = format!("{address}/v1/sys/storage/raft/snapshot");
        let request = self.http.post(url).header("X-Vault-Token", &self.openbao.root_token);
        let answer = request.body(snapshot).send().await?;
        ensure!(answer.status() == StatusCode::NO_CONTENT, "a snapshot by hand: {}", answer.text().await?);
        Ok(())
    }

    /// Who leads, and a client that finds it: a pod's name is known to the cluster only.
    async fn leader(&self) -> anyhow::Result<(reqwest::Client, String)> {
        let told = self.bao(Method::GET, "sys/leader", Value::Null).await?;
        let address = told["leader_address"].as_str().context("no leader")?;
        let url = reqwest::Url::parse(address)?;
        let host = url.host_str().context("no host")?;
        let mut http = trusting(&std::fs::read(&self.openbao.authority)?)?;
        if let Some((pod, _)) = host.strip_suffix(".svc").and_then(|name| name.split_once('.')) {
            let query = ["get", "pod", pod, "-n", NAMESPACE, "-o", "jsonpath={.status.podIP}"];
            let ip = self.cluster.kubectl(&query, None).stdout.parse()?;
            http = http.resolve(host, SocketAddr::new(ip, url.port_or_known_default().context("no port")?));
        }
        Ok((http.build()?, address.to_owned()))
    }

    /// Puts an object into the bucket.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
        self.store.put(&Path::parse(key)?, bytes.into()).await?;
        Ok(())
    }

    /// An object of the bucket.
    ///
    /// # Errors
    /// When the store refuses, or has none.
    pub async fn object(&self, key: &str) -> anyhow::Result<Vec<u8>> {
        Ok(self.store.get(&Path::parse(key)?).await?.bytes().await?.to_vec())
    }

    /// A request to restore `key` into this cluster, by JWT.
    #[must_use]
    pub fn request(&self, name: &str, key: &str) -> Value {
        json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "cluster": self.name, "jwtAuthRole": ROLE_NAME,
                "source": {"key": key, "target": target()}
            }
        })
    }

    /// `spec.backup` of this cluster, by JWT and without a schedule.
    #[must_use]
    pub fn backup(&self) -> Value {
        json!({"jwtAuthRole": "backup", "target": target()})
    }

    /// Changes the OpenBaoCluster.
    ///
    /// # Errors
    /// What the API server refused.
    pub fn patch(&self, patch: &Value) -> anyhow::Result<()> {
        let patch = patch.to_string();
        let arguments =
            ["patch", "openbaocluster", &self.name, "-n", &self.namespace, "--type=merge", "-p", &patch];
        let output = self.cluster.kubectl(&arguments, None);
        ensure!(output.code == 0, "{patch}: {}", output.stderr);
        Ok(())
    }

    /// Keys of all objects in the bucket.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn objects(&self) -> anyhow::Result<Vec<String>> {
        let all: Vec<_> = self.store.list(None).try_collect().await?;
        Ok(all.into_iter().map(|object| object.location.to_string()).collect())
    }

    /// The same by the static token that [`Self::prepare`] made.
    #[must_use]
    pub fn request_by_token(&self, name: &str, key: &str) -> Value {
        let mut request = self.request(name, key);
        if let Some(spec) = request["spec"].as_object_mut() {
            spec.remove("jwtAuthRole");
            spec.insert("tokenSecretRef".to_owned(), json!({"name": format!("{}-restore-token", self.name)}));
        }
        request
    }
}

/// The store as pods see it.
fn target() -> Value {
    json!({
        "endpoint": "https://s3.storage.svc:9000", "bucket": BUCKET, "usePathStyle": true,
        "credentialsSecretRef": {"name": "s3-credentials"}
    })
}

/// The store as seen from the host.
fn store(cluster: &Cluster) -> anyhow::Result<AmazonS3> {
    let authority = Certificate::from_pem(&std::fs::read(cluster.variable("AWS_CA_BUNDLE"))?)?;
    Ok(AmazonS3Builder::new()
        .with_endpoint(cluster.variable("S3_ENDPOINT"))
        .with_bucket_name(BUCKET)
        .with_region(REGION)
        .with_access_key_id(cluster.variable("AWS_ACCESS_KEY_ID"))
        .with_secret_access_key(cluster.variable("AWS_SECRET_ACCESS_KEY"))
        .with_client_options(ClientOptions::new().with_root_certificate(authority))
        .build()?)
}
