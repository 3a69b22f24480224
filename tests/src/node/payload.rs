//! What the files of a volume are: a function over the objects and tokens at hand.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, Volume, VolumeProjection};

use super::env::unknown_field;
use super::fields;
use super::objects::{Data, Objects};
use super::support::Problem;
use super::tokens::{Key, Tokens};

/// One file, with its permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// Files by their path in the volume.
pub(super) type Files = BTreeMap<PathBuf, File>;

const DEFAULT_MODE: i32 = 0o644;

/// What a volume is made from.
pub(super) struct Sources<'a> {
    pub(super) pod: &'a Pod,
    pub(super) ip: Ipv4Addr,
    pub(super) objects: &'a Objects,
    pub(super) tokens: &'a Tokens,
}

/// The files of `volume`; None if it is a plain folder.
pub(super) fn files(volume: &Volume, sources: &Sources) -> Result<Option<Files>, Problem> {
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.clone().unwrap_or_default();
        let wanted =
            Wanted::new("secret", &name, secret.items.as_deref(), secret.optional, secret.default_mode);
        return wanted.from(sources.objects.secrets.get(&name)).map(Some);
    }
    if let Some(map) = &volume.config_map {
        let wanted =
            Wanted::new("configmap", &map.name, map.items.as_deref(), map.optional, map.default_mode);
        return wanted.from(sources.objects.config_maps.get(&map.name)).map(Some);
    }
    if let Some(downward) = &volume.downward_api {
        return downward_files(downward.items.as_deref(), downward.default_mode, sources).map(Some);
    }
    let Some(projected) = &volume.projected else { return Ok(None) };
    let mut all = Files::new();
    for source in projected.sources.iter().flatten() {
        all.extend(projected_files(&volume.name, source, projected.default_mode, sources)?);
    }
    Ok(Some(all))
}

fn projected_files(
    volume: &str,
    source: &VolumeProjection,
    mode: Option<i32>,
    sources: &Sources,
) -> Result<Files, Problem> {
    if let Some(secret) = &source.secret {
        let wanted = Wanted::new("secret", &secret.name, secret.items.as_deref(), secret.optional, mode);
        return wanted.from(sources.objects.secrets.get(&secret.name));
    }
    if let Some(map) = &source.config_map {
        let wanted = Wanted::new("configmap", &map.name, map.items.as_deref(), map.optional, mode);
        return wanted.from(sources.objects.config_maps.get(&map.name));
    }
    if let Some(downward) = &source.downward_api {
        return downward_files(downward.items.as_deref(), mode, sources);
    }
    let Some(token) = &source.service_account_token else {
        return Err(Problem(
            "this node projects secret, configMap, downwardAPI and serviceAccountToken only".into(),
        ));
    };
    let key = Key { volume: volume.to_owned(), path: token.path.clone() };
    let value = sources.tokens.value(&key).ok_or_else(|| Problem("no token was issued yet".into()))?;
    let file = File { bytes: value.as_bytes().to_vec(), mode: bits(None, mode) };
    Ok(Files::from([(PathBuf::from(&token.path), file)]))
}

fn downward_files(
    items: Option<&[DownwardAPIVolumeFile]>,
    mode: Option<i32>,
    sources: &Sources,
) -> Result<Files, Problem> {
    let file = |item: &DownwardAPIVolumeFile| {
        let path = item.field_ref.as_ref().map(|field| field.field_path.as_str()).unwrap_or_default();
        let value = fields::value(sources.pod, sources.ip, path).ok_or_else(|| unknown_field(path))?;
        Ok((PathBuf::from(&item.path), File { bytes: value.into_bytes(), mode: bits(item.mode, mode) }))
    };
    items.unwrap_or_default().iter().map(file).collect()
}

/// Some or all keys of one Secret or `ConfigMap`.
struct Wanted<'a> {
    kind: &'static str,
    name: &'a str,
    items: Option<&'a [KeyToPath]>,
    optional: bool,
    mode: Option<i32>,
}

impl<'a> Wanted<'a> {
    fn new(
        kind: &'static str,
        name: &'a str,
        items: Option<&'a [KeyToPath]>,
        optional: Option<bool>,
        mode: Option<i32>,
    ) -> Self {
        let items = items.filter(|items| !items.is_empty());
        Self { kind, name, items, optional: optional.unwrap_or_default(), mode }
    }

    fn from(&self, found: Option<&Data>) -> Result<Files, Problem> {
        let Self { kind, name, .. } = self;
        let Some(data) = found else {
            return if self.optional {
                Ok(Files::new())
            } else {
                Err(Problem(format!("{kind} \"{name}\" not found")))
            };
        };
        let Some(items) = self.items else {
            let file = |bytes: &Vec<u8>| File { bytes: bytes.clone(), mode: bits(None, self.mode) };
            return Ok(data.iter().map(|(key, bytes)| (PathBuf::from(key), file(bytes))).collect());
        };
        let mut files = Files::new();
        for item in items {
            match data.get(&item.key) {
                Some(bytes) => {
                    let file = File { bytes: bytes.clone(), mode: bits(item.mode, self.mode) };
                    files.insert(PathBuf::from(&item.path), file);
                }
                None if self.optional => {}
                None => {
                    let key = &item.key;
                    return Err(Problem(format!("{kind} \"{name}\" references non-existent key: {key}")));
                }
            }
        }
        Ok(files)
    }
}

fn bits(own: Option<i32>, default: Option<i32>) -> u32 {
    own.or(default).unwrap_or(DEFAULT_MODE).cast_unsigned() & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(volume: serde_json::Value, secrets: &[(&str, &str)]) -> Result<Option<Files>, Problem> {
        let data = |key: &str| Data::from([(key.to_owned(), b"v".to_vec())]);
        let secrets = secrets.iter().map(|(name, key)| ((*name).to_owned(), data(key))).collect();
        let objects = Objects { secrets, ..Objects::default() };
        let (pod, tokens) = (Pod::default(), Tokens::default());
        let sources = Sources { pod: &pod, ip: Ipv4Addr::LOCALHOST, objects: &objects, tokens: &tokens };
        files(&serde_json::from_value(volume).unwrap(), &sources)
    }

    #[test]
    fn items_choose_path_and_mode() {
        let volume = serde_json::json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 0o400,
            "items": [{"key": "k", "path": "a/b"}]}});
        let files = made(volume, &[("s", "k")]).unwrap().unwrap();
        assert_eq!(files[&PathBuf::from("a/b")], File { bytes: b"v".to_vec(), mode: 0o400 });
    }

    #[test]
    fn what_is_missing_is_named_unless_optional() {
        let secret = |optional: bool| {
            serde_json::json!({"name": "v", "secret": {"secretName": "s", "optional": optional,
                "items": [{"key": "k", "path": "k"}]}})
        };
        assert_eq!(made(secret(false), &[]), Err(Problem("secret \"s\" not found".into())));
        assert!(made(secret(false), &[("s", "other")]).unwrap_err().0.contains("key: k"));
        assert_eq!(made(secret(true), &[("s", "other")]), Ok(Some(Files::new())));
    }

    #[test]
    fn sources_of_a_projected_volume_are_merged() {
        let volume = serde_json::json!({"name": "v", "projected": {"sources": [
            {"secret": {"name": "s"}}, {"secret": {"name": "t"}}]}});
        let files = made(volume, &[("s", "a"), ("t", "b")]).unwrap().unwrap();
        assert_eq!(files.into_keys().collect::<Vec<_>>(), [PathBuf::from("a"), PathBuf::from("b")]);
    }

    #[test]
    fn an_empty_folder_has_no_files_of_ours() {
        assert_eq!(made(serde_json::json!({"name": "v", "emptyDir": {}}), &[]), Ok(None));
    }
}
