//! The pod of a Job of ours: who it runs as, and what it may read.

use api::task::Login;
use api::{OpenBaoCluster, SecretReference, StorageTarget, TokenReference, names};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, KeyToPath, ObjectFieldSelector,
    PodSecurityContext, PodSpec, ProjectedVolumeSource, ResourceRequirements, SeccompProfile,
    SecretVolumeSource, SecurityContext, ServiceAccountTokenProjection, Volume, VolumeMount,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// Folder of everything that is mounted but staging.
const MOUNTS: &str = "/etc/openbao-recovery";

/// The nobody of images without users; the image runs as it too.
const USER: i64 = 65532;

/// Seconds between SIGTERM and SIGKILL: after its claim a restore ends its POST and its report, and a backup removes what
/// it has begun.
const GRACE: i64 = 300;

/// How long the token that OpenBao gets is good, in seconds; the kubelet renews it in time.
const TOKEN: i64 = 3600;

/// Bytes of memory beside the parts in flight: program, TLS, buffers of the runtime.
const PROGRAM_MEMORY: i64 = 128 << 20;

/// What one pod is made from.
pub(crate) struct Parts<'a> {
    /// `ServiceAccount` that it runs as.
    pub(crate) account: String,
    pub(crate) image: Option<String>,
    pub(crate) target: &'a StorageTarget,
    /// How it logs in to OpenBao; without, it gets no credential at all.
    pub(crate) login: Option<&'a Login>,
    pub(crate) token: Option<&'a TokenReference>,
    /// Of the token that it shows to OpenBao.
    pub(crate) audience: Option<&'a str>,
    /// Secret and key of the CA of the servers.
    pub(crate) authority: SecretReference,
    /// Room for the snapshot on the node's disk, if it needs some.
    pub(crate) staging: Option<Quantity>,
    /// Networks that stores may be in, comma separated.
    pub(crate) networks: &'a str,
    pub(crate) deadline: SignedDuration,
}

/// The Secret with the CA of a cluster's servers.
pub(crate) fn authority(cluster: Option<&OpenBaoCluster>, name: &str) -> SecretReference {
    let given = cluster.and_then(|cluster| cluster.spec.connection.as_ref()?.ca_secret_ref.clone());
    let own = || SecretReference { name: format!("{name}-tls-ca"), ..SecretReference::default() };
    given.unwrap_or_else(own)
}

/// One container, and what it needs to reach the store and the servers.
pub(crate) fn spec(parts: &Parts<'_>) -> PodSpec {
    let mut volumes = read_only_volumes(parts);
    let mut mounts: Vec<VolumeMount> = volumes.iter().map(read_only_mount).collect();
    if let Some(size) = &parts.staging {
        let room = EmptyDirVolumeSource { size_limit: Some(size.clone()), medium: None };
        volumes.push(Volume { name: "staging".to_owned(), empty_dir: Some(room), ..Volume::default() });
        mounts.push(VolumeMount {
            name: "staging".to_owned(),
            mount_path: "/staging".to_owned(),
            ..VolumeMount::default()
        });
    }
    PodSpec {
        service_account_name: Some(parts.account.clone()),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        active_deadline_seconds: Some(parts.deadline.as_secs()),
        termination_grace_period_seconds: Some(GRACE),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(parts, mounts)],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

fn container(parts: &Parts<'_>, mounts: Vec<VolumeMount>) -> Container {
    Container {
        name: names::CONTAINER.to_owned(),
        image: parts.image.clone(),
        command: Some(vec!["/executor".to_owned()]),
        env: Some(vec![
            field("TASK", &format!("metadata.annotations['{}']", names::TASK)),
            field("POD_UID", "metadata.uid"),
            EnvVar {
                name: names::STORAGE_ALLOW_CIDRS.to_owned(),
                value: Some(parts.networks.to_owned()),
                value_from: None,
            },
        ]),
        resources: Some(resources(parts.target, parts.staging.clone())),
        security_context: Some(restricted()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// Secrets are optional: the executor says which one is missing, where a pod that waits for it says nothing.
fn read_only_volumes(parts: &Parts<'_>) -> Vec<Volume> {
    let mut volumes = Vec::new();
    // A proof needs no credential, and gets none.
    if let Some(reference) = parts.target.credentials_secret_ref.as_ref().filter(|_| parts.login.is_some()) {
        volumes.push(secret("storage", &reference.name, None));
    }
    // Of the whole Secret only the CA: others may keep keys in the same one.
    let key = parts.authority.key.as_deref().unwrap_or("ca.crt");
    volumes.push(secret("openbao-ca", &parts.authority.name, Some((key, "ca.crt"))));
    match parts.login {
        Some(Login::Jwt { .. }) => volumes.push(jwt(parts.audience)),
        Some(Login::Token { key }) => {
            volumes.extend(parts.token.map(|token| secret("token", &token.name, Some((key, key)))));
        }
        None => {}
    }
    volumes
}

/// `item` is a key and the file that it becomes; without one, every key becomes a file of its name.
fn secret(volume: &str, name: &str, item: Option<(&str, &str)>) -> Volume {
    let alone = |(key, path): (&str, &str)| {
        vec![KeyToPath { key: key.to_owned(), path: path.to_owned(), mode: None }]
    };
    Volume {
        name: volume.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.to_owned()),
            items: item.map(alone),
            optional: Some(true),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn jwt(audience: Option<&str>) -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: audience.map(str::to_owned),
        expiration_seconds: Some(TOKEN),
        path: "token".to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() };
    Volume {
        name: "jwt".to_owned(),
        projected: Some(ProjectedVolumeSource { sources: Some(vec![source]), default_mode: None }),
        ..Volume::default()
    }
}

fn read_only_mount(volume: &Volume) -> VolumeMount {
    VolumeMount {
        name: volume.name.clone(),
        mount_path: format!("{MOUNTS}/{}", volume.name),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    let selector = ObjectFieldSelector { field_path: path.to_owned(), api_version: None };
    let source = EnvVarSource { field_ref: Some(selector), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}

/// Memory is requested as it is limited: an eviction for memory in the middle of a restore costs more than memory.
fn resources(target: &StorageTarget, staging: Option<Quantity>) -> ResourceRequirements {
    let parts = target.concurrency.saturating_add(1).saturating_mul(target.part_size);
    let memory = Quantity(parts.saturating_add(PROGRAM_MEMORY).to_string());
    let mut limits = BTreeMap::from([("memory".to_owned(), memory)]);
    limits.extend(staging.map(|size| ("ephemeral-storage".to_owned(), size)));
    let mut requests = limits.clone();
    requests.insert("cpu".to_owned(), Quantity("100m".to_owned()));
    ResourceRequirements { limits: Some(limits), requests: Some(requests), claims: None }
}

fn restricted() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        ..SecurityContext::default()
    }
}
