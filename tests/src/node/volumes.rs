//! The volumes of one pod on disk.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, Volume, VolumeMount};

use super::Shared;
use super::env::{Environment, expand};
use super::files::publish;
use super::objects::{Needed, namespace_of};
use super::payload::{self, Files, Sources};
use super::sandbox::Bind;
use super::support::Problem;
use super::tokens::Tokens;

pub(super) struct Volumes {
    folder: PathBuf,
    tokens: Tokens,
    published: BTreeMap<String, Files>,
}

impl Volumes {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, tokens: Tokens::default(), published: BTreeMap::new() }
    }

    /// Makes every volume from what the API server has now.
    pub(super) async fn prepare(&mut self, shared: &Shared, pod: &Pod, ip: Ipv4Addr) -> Result<(), Problem> {
        let objects = Needed::by_volumes(pod).live(shared, &namespace_of(pod)).await?;
        self.tokens.renew(&shared.client, pod, Timestamp::now()).await?;
        for volume in volumes(pod) {
            let at = path(&self.folder, volume);
            fs::create_dir_all(&at)?;
            let sources = Sources { pod, ip, objects: &objects, tokens: &self.tokens };
            let files = payload::files(volume, &sources);
            let files = files.map_err(|problem| Problem(format!("volume {}: {problem}", volume.name)))?;
            Self::update(&mut self.published, volume, &at, files)?;
        }
        Ok(())
    }

    /// Follows changes. A volume that cannot be made any more stays as it is, as with a kubelet.
    pub(super) async fn refresh(&mut self, shared: &Shared, pod: &Pod, ip: Ipv4Addr) -> Result<(), Problem> {
        let objects = Needed::by_volumes(pod).cached(shared, &namespace_of(pod));
        self.tokens.renew(&shared.client, pod, Timestamp::now()).await?;
        for volume in volumes(pod) {
            let sources = Sources { pod, ip, objects: &objects, tokens: &self.tokens };
            if let Ok(files) = payload::files(volume, &sources) {
                Self::update(&mut self.published, volume, &path(&self.folder, volume), files)?;
            }
        }
        Ok(())
    }

    fn update(
        published: &mut BTreeMap<String, Files>,
        volume: &Volume,
        at: &Path,
        files: Option<Files>,
    ) -> Result<(), Problem> {
        let Some(files) = files else { return Ok(()) };
        if published.get(&volume.name) != Some(&files) {
            publish(at, &files)?;
            published.insert(volume.name.clone(), files);
        }
        Ok(())
    }
}

fn volumes(pod: &Pod) -> impl Iterator<Item = &Volume> {
    pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten())
}

/// Where a volume lies on the host.
fn path(folder: &Path, volume: &Volume) -> PathBuf {
    match &volume.host_path {
        Some(host_path) => PathBuf::from(&host_path.path),
        None => folder.join(&volume.name),
    }
}

/// The mounts of a container. A sub-path that is not there is made as a folder.
pub(super) fn binds(
    folder: &Path,
    pod: &Pod,
    container: &Container,
    env: &Environment,
) -> Result<Vec<Bind>, Problem> {
    let bind = |mount: &VolumeMount| {
        let volume = volumes(pod).find(|volume| volume.name == mount.name);
        let volume = volume.ok_or_else(|| Problem(format!("no volume {}", mount.name)))?;
        let sub_path = mount.sub_path_expr.as_ref().map(|text| expand(text, env)).or(mount.sub_path.clone());
        let source = path(folder, volume).join(sub_path.unwrap_or_default());
        if !source.exists() {
            fs::create_dir_all(&source)?;
        }
        // A file of a Secret is a link; the mount holds what it names now.
        let source = source.canonicalize()?;
        let files = volume.host_path.is_none() && volume.empty_dir.is_none();
        let read_only = mount.read_only.unwrap_or_default() || files;
        Ok(Bind { source, target: PathBuf::from(&mount.mount_path), read_only })
    };
    container.volume_mounts.iter().flatten().map(bind).collect()
}
