//! From a container of a pod to the description of its sandbox.

use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;

use super::env::Environment;
use super::objects::{Needed, namespace_of};
use super::sandbox::{Bind, Sandbox};
use super::support::Problem;
use super::{Image, Shared, env, volumes};

/// The user of a container that names none, as in distroless images.
const NONROOT: i64 = 65532;
const TERMINATION_LOG: &str = "/dev/termination-log";

/// The files of one container on the host.
pub(super) struct Places {
    pub(super) volumes: PathBuf,
    pub(super) root: PathBuf,
    pub(super) termination_log: PathBuf,
    pub(super) output: PathBuf,
}

impl Places {
    pub(super) fn new(shared: &Shared, pod: &Pod, container: &Container) -> Self {
        let folder = pod_folder(shared, pod);
        let name = &container.name;
        let log = format!("{}_{}_{name}.log", namespace_of(pod), pod.name_any());
        Self {
            volumes: folder.join("volumes"),
            root: folder.join(name).join("root"),
            termination_log: folder.join(name).join("termination-log"),
            output: shared.config.folder.join("logs").join(log),
        }
    }
}

/// Scratch of one pod.
pub(super) fn pod_folder(shared: &Shared, pod: &Pod) -> PathBuf {
    shared.config.folder.join("pods").join(pod.uid().unwrap_or_default())
}

/// Describes a container, with its environment as the API server has it now.
pub(super) async fn describe(
    shared: &Shared,
    pod: &Pod,
    ip: std::net::Ipv4Addr,
    container: &Container,
    image: &Image,
) -> Result<Sandbox, Problem> {
    let places = Places::new(shared, pod, container);
    let objects = Needed::by_env(container).live(shared, &namespace_of(pod)).await?;
    let env = env::build(container, pod, ip, shared.config.api_server, &objects)?;
    fs::create_dir_all(&places.root)?;
    fs::write(&places.termination_log, "")?;
    let mut binds: Vec<Bind> = image
        .files
        .iter()
        .map(|file| Bind { source: file.from.clone(), target: file.at.clone(), read_only: true })
        .collect();
    binds.extend(volumes::binds(&places.volumes, pod, container, &env)?);
    let at = container.termination_message_path.as_deref().unwrap_or(TERMINATION_LOG);
    binds.push(Bind { source: places.termination_log, target: at.into(), read_only: false });
    Ok(assemble(pod, container, image, env, binds, places.root, shared.config.folder.join("etc")))
}

fn assemble(
    pod: &Pod,
    container: &Container,
    image: &Image,
    env: Environment,
    binds: Vec<Bind>,
    root: PathBuf,
    etc: PathBuf,
) -> Sandbox {
    let own = container.security_context.as_ref();
    let shared = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
    let user = own.and_then(|own| own.run_as_user).or(shared.and_then(|shared| shared.run_as_user));
    let group = own.and_then(|own| own.run_as_group).or(shared.and_then(|shared| shared.run_as_group));
    let id = |id: Option<i64>| id.unwrap_or(NONROOT).try_into().unwrap_or(u32::MAX);
    Sandbox {
        parent: std::process::id().cast_signed(),
        root,
        hostname: env::hostname(pod),
        uid: id(user),
        gid: id(group),
        read_only_root: own.and_then(|own| own.read_only_root_filesystem).unwrap_or_default(),
        etc,
        binds,
        working_dir: container.working_dir.clone().unwrap_or_else(|| "/".into()).into(),
        argv: env::argv(container, image, &env),
        env,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_decides_over_the_pod() {
        let pod: Pod = serde_json::from_value(serde_json::json!({"metadata": {"name": "p"}, "spec": {
            "securityContext": {"runAsUser": 100, "runAsGroup": 1000},
            "containers": [{"name": "c", "args": ["$(A)"],
                "securityContext": {"runAsUser": 7, "readOnlyRootFilesystem": true}}]}}))
        .unwrap();
        let container = &pod.spec.as_ref().unwrap().containers[0];
        let image = Image { entrypoint: vec!["/x".into()], files: vec![] };
        let env = Environment::from([("A".into(), "1".into())]);
        let sandbox = assemble(&pod, container, &image, env, vec![], "/r".into(), "/e".into());
        assert_eq!((sandbox.uid, sandbox.gid, sandbox.read_only_root), (7, 1000, true));
        assert_eq!((sandbox.argv, sandbox.hostname), (vec!["/x".into(), "1".into()], "p".to_owned()));
    }
}
