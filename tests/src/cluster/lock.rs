//! Whose a folder is. The lock is the kernel's, so it ends with the process that holds it, however that ends.

use super::{ClusterError, io_error};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Holds the process id of the cluster, and its lock.
const FILE: &str = "pid";
/// Pods have ten seconds, and the control plane needs one.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// A folder that is ours as long as this value lives.
#[derive(Debug)]
pub(super) struct FolderLock {
    folder: PathBuf,
    file: File,
}

/// What the end of a cluster found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// Nothing ran there.
    NothingRan,
    /// The process with this id was asked to end, and has.
    Ended(String),
}

impl FolderLock {
    /// Takes it, or waits so long for the cluster that has it to end.
    pub(super) fn take(folder: &Path, patience: Duration) -> Result<Self, ClusterError> {
        fs::create_dir_all(folder).map_err(io_error(folder))?;
        let path = folder.join(FILE);
        let mut file = open(&path).map_err(io_error(&path))?;
        if !is_free_within(&file, patience).map_err(io_error(&path))? {
            let pid = read(&mut file).map_err(io_error(&path))?;
            return Err(ClusterError::Running { folder: folder.to_owned(), pid });
        }
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(io_error(&path))?;
        Ok(Self { folder: folder.to_owned(), file })
    }

    /// Removes what an earlier cluster left in the folder.
    pub(super) fn empty_folder(&self) -> Result<(), ClusterError> {
        let remove = |path: &Path| {
            let is_folder = fs::symlink_metadata(path)?.is_dir();
            if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }
        };
        for entry in fs::read_dir(&self.folder).map_err(io_error(&self.folder))? {
            let path = entry.map_err(io_error(&self.folder))?.path();
            if path.file_name().is_some_and(|name| name != FILE) {
                remove(&path).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // The lock alone says who runs; the number is for humans.
        let _ = self.file.set_len(0);
        // A child between its fork and its exec still has the file, and would hold the lock a moment longer than we do.
        let _ = self.file.unlock();
    }
}

/// Ends the cluster of `folder`, if one runs there, and waits for its end.
pub(super) fn down(folder: &Path) -> Result<Down, ClusterError> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Down::NothingRan);
    }
    let mut file = open(&path).map_err(io_error(&path))?;
    if is_free(&file).map_err(io_error(&path))? {
        return Ok(Down::NothingRan);
    }
    let pid = read(&mut file).map_err(io_error(&path))?;
    let number = pid.parse().map_err(|_| io_error(&path)(std::io::ErrorKind::InvalidData.into()))?;
    kill(Pid::from_raw(number), Signal::SIGTERM).map_err(|error| io_error(&path)(error.into()))?;
    if is_free_within(&file, ENDS_WITHIN).map_err(io_error(&path))? {
        return Ok(Down::Ended(pid));
    }
    Err(ClusterError::StillRunning { pid, within: ENDS_WITHIN, folder: folder.to_owned() })
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn is_free_within(file: &File, patience: Duration) -> std::io::Result<bool> {
    let start = Instant::now();
    while !is_free(file)? {
        if start.elapsed() >= patience {
            return Ok(false);
        }
        std::thread::sleep(POLL);
    }
    Ok(true)
}

/// Whether no other process holds the lock; then this file does from now on.
fn is_free(file: &File) -> std::io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read(file: &mut File) -> std::io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second cluster in a folder would remove the first one's data under it.
    #[test]
    fn a_folder_is_one_clusters_and_is_free_after_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(down(folder.path()).unwrap(), Down::NothingRan);
        let lock = FolderLock::take(folder.path(), Duration::ZERO).unwrap();
        let refused = FolderLock::take(folder.path(), Duration::ZERO).unwrap_err();
        assert!(
            matches!(refused, ClusterError::Running { pid, .. } if pid == std::process::id().to_string())
        );
        drop(lock);
        assert_eq!(down(folder.path()).unwrap(), Down::NothingRan);
        FolderLock::take(folder.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn only_the_lock_survives_emptying() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path(), Duration::ZERO).unwrap();
        fs::create_dir_all(folder.path().join("etcd/member")).unwrap();
        fs::write(folder.path().join("kubeconfig"), "old").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        lock.empty_folder().unwrap();
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [FILE]);
    }
}
