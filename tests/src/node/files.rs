//! The node's folders, and the way a kubelet writes the files of a volume.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::NodeError;
use super::payload::Files;

const DATA: &str = "..data";

/// `pods`, `logs` and `etc` with what stays the same in it.
pub(super) fn make_folders(folder: &Path) -> Result<(), NodeError> {
    let at = |path: PathBuf| move |error| NodeError::Folder(path, error);
    for name in ["pods", "logs", "etc"] {
        fs::create_dir_all(folder.join(name)).map_err(at(folder.join(name)))?;
    }
    for (name, text) in [
        ("hosts", "127.0.0.1 localhost\n"),
        // Several addresses of one name are all found.
        ("host.conf", "multi on\n"),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
        ("passwd", "root:x:0:0:root:/:\nopenbao:x:100:1000:openbao:/:\nnonroot:x:65532:65532:nonroot:/:\n"),
        ("group", "root:x:0:\nopenbao:x:1000:\nnonroot:x:65532:\n"),
        ("resolv.conf", ""),
    ] {
        let path = folder.join("etc").join(name);
        fs::write(&path, text).map_err(at(path))?;
    }
    Ok(())
}

/// Replaces a file in one step: a reader sees the old or the new text.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let next = path.with_extension("next");
    fs::write(&next, text)?;
    fs::rename(next, path)
}

/// Writes the files of a volume as a kubelet does: into a new folder, which the link `..data` then names, so that a
/// reader sees all old or all new ones. Each file is a link through `..data`.
pub(super) fn publish(folder: &Path, files: &Files) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let stamp = format!("..{}", Timestamp::now().as_nanosecond());
    for (path, file) in files {
        let path = folder.join(&stamp).join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &file.bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    fs::create_dir_all(folder.join(&stamp))?;
    let before = fs::read_link(folder.join(DATA)).ok();
    symlink(&stamp, folder.join("..data_tmp"))?;
    fs::rename(folder.join("..data_tmp"), folder.join(DATA))?;
    link_all(folder, files)?;
    before.map_or(Ok(()), |before| fs::remove_dir_all(folder.join(before)))
}

fn link_all(folder: &Path, files: &Files) -> io::Result<()> {
    let tops: Vec<_> = files.keys().filter_map(|path| path.components().next()).collect();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let ours = name.to_string_lossy().starts_with("..");
        if !ours && !tops.iter().any(|top| top.as_os_str() == name) {
            fs::remove_file(folder.join(name))?;
        }
    }
    for top in tops {
        let link = folder.join(top);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(top), link)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::payload::File;

    fn one(path: &str, text: &str) -> Files {
        Files::from([(path.into(), File { bytes: text.into(), mode: 0o640 })])
    }

    #[test]
    fn a_new_version_replaces_the_old_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        publish(folder.path(), &one("tls/crt", "1")).unwrap();
        assert_eq!(fs::read_to_string(at("tls/crt")).unwrap(), "1");
        publish(folder.path(), &one("key", "2")).unwrap();
        assert_eq!(fs::read_to_string(at("key")).unwrap(), "2");
        assert_eq!(fs::metadata(at("key")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(at("tls")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "key, ..data and one version");
    }

    #[test]
    fn no_files_make_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        publish(folder.path(), &Files::new()).unwrap();
        assert!(folder.path().join(DATA).is_dir());
    }
}
