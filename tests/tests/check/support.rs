//! Runs the program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

static WEBHOOK: LazyLock<PathBuf> =
    LazyLock::new(|| tests::cluster::built(Path::new(env!("CARGO_BIN_EXE_cluster")), "webhook").unwrap());

/// What it said.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `webhook check ARGUMENTS` in `folder`, with `input` as its standard input.
pub(crate) fn check(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(&*WEBHOOK);
    command.arg("check").args(arguments).current_dir(folder).env_clear();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It ends without reading where its arguments name no standard input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

/// A request that is admitted.
pub(crate) const GOOD: &str = "\
apiVersion: openbao.org/v1alpha1
kind: OpenBaoRestore
metadata:
  name: good
  namespace: security
spec:
  cluster: prod-cluster
  source:
    target:
      bucket: openbao-backups
      credentialsSecretRef: {name: s3-credentials}
    key: clusters/prod/backup.snap
  jwtAuthRole: restore
";

/// One that is refused for the line 13, and warned of for the line 7.
pub(crate) const BAD: &str = "\
apiVersion: openbao.org/v1alpha1
kind: OpenBaoRestore
metadata:
  name: bad
  namespace: security
spec:
  force: true
  cluster: prod-cluster
  source:
    target:
      bucket: openbao-backups
      credentialsSecretRef: {name: s3-credentials}
    key: ../backup.snap
    sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  jwtAuthRole: restore
";

pub(crate) const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n";
