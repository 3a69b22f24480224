//! The pod of a restore's Job: who it runs as, and what it may read.

use super::{Observed, Stage};
use api::task::Login;
use api::{StorageTarget, names};
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

/// Seconds between SIGTERM and SIGKILL: after its claim the executor ends its POST and its report.
const GRACE: i64 = 300;

/// How long the token that OpenBao gets is good, in seconds; the kubelet renews it in time.
const TOKEN: i64 = 3600;

/// Bytes of memory beside the parts in flight: program, TLS, buffers of the runtime.
const PROGRAM_MEMORY: i64 = 128 << 20;

/// Bytes of disk beside the snapshot: logs, and what a file system rounds up.
const BESIDE_SNAPSHOT: u64 = 64 << 20;

/// One container, and what it needs to reach the store and the servers.
pub(super) fn spec(
    seen: &Observed,
    stage: Stage,
    login: Option<&Login>,
    deadline: SignedDuration,
) -> PodSpec {
    let request = &seen.request.spec;
    let mut volumes = read_only_volumes(seen, login);
    let mut mounts: Vec<VolumeMount> = volumes.iter().map(read_only_mount).collect();
    let staging = (stage == Stage::Restore).then(|| staging_size(seen));
    if let Some(size) = &staging {
        let room = EmptyDirVolumeSource { size_limit: Some(size.clone()), medium: None };
        volumes.push(Volume { name: "staging".to_owned(), empty_dir: Some(room), ..Volume::default() });
        mounts.push(VolumeMount {
            name: "staging".to_owned(),
            mount_path: "/staging".to_owned(),
            ..VolumeMount::default()
        });
    }
    PodSpec {
        service_account_name: Some(names::restore_service_account(&request.cluster)),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        active_deadline_seconds: Some(deadline.as_secs()),
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
        containers: vec![Container {
            name: names::CONTAINER.to_owned(),
            image: request.executor_image.clone().or_else(|| request.image.clone()),
            command: Some(vec!["/executor".to_owned()]),
            env: Some(vec![
                field("TASK", &format!("metadata.annotations['{}']", names::TASK)),
                field("POD_UID", "metadata.uid"),
                EnvVar {
                    name: names::STORAGE_ALLOW_CIDRS.to_owned(),
                    value: Some(seen.storage_allow_cidrs.clone()),
                    value_from: None,
                },
            ]),
            resources: Some(resources(&request.source.target, staging)),
            security_context: Some(restricted()),
            volume_mounts: Some(mounts),
            ..Container::default()
        }],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

/// Secrets are optional: the executor says which one is missing, where a pod that waits for it says nothing.
fn read_only_volumes(seen: &Observed, login: Option<&Login>) -> Vec<Volume> {
    let request = &seen.request.spec;
    let mut volumes = Vec::new();
    // A proof needs no credential, and gets none.
    if let Some(reference) = request.source.target.credentials_secret_ref.as_ref().filter(|_| login.is_some())
    {
        volumes.push(secret("storage", &reference.name, None));
    }
    volumes.push(authority(seen));
    match login {
        Some(Login::Jwt { .. }) => volumes.push(jwt(request.audience.as_deref())),
        Some(Login::Token { key }) => volumes.extend(
            request.token_secret_ref.as_ref().map(|token| secret("token", &token.name, Some((key, key)))),
        ),
        None => {}
    }
    volumes
}

/// Of the whole Secret only the CA: others may keep keys in the same one.
fn authority(seen: &Observed) -> Volume {
    let reference = seen
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.spec.connection.as_ref()?.ca_secret_ref.clone())
        .unwrap_or_else(|| api::SecretReference {
            name: format!("{}-tls-ca", seen.request.spec.cluster),
            ..api::SecretReference::default()
        });
    secret("openbao-ca", &reference.name, Some((reference.key.as_deref().unwrap_or("ca.crt"), "ca.crt")))
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

/// The snapshot, a tenth more, and what lies beside it.
fn staging_size(seen: &Observed) -> Quantity {
    let size = seen.pinned().map_or(0, |pinned| pinned.size);
    Quantity(size.saturating_add(size / 10).saturating_add(BESIDE_SNAPSHOT).to_string())
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
