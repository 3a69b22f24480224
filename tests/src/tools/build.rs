//! Makes a tool: Go packages are built, Python packages installed into a scratch folder.

use super::pins::{Source, Tool};
use super::{ToolsError, at};
use std::path::Path;
use std::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools");

/// Oldest Go that builds the pinned Kubernetes, as (major, minor).
const GO: (u32, u32) = (1, 26);

/// Makes `tool` as the file `to`. The output of the builders goes to ours.
pub(super) fn build(tool: &Tool, version: &str, to: &Path) -> Result<(), ToolsError> {
    match tool.source {
        Source::Go { package, version_variable, .. } => {
            check_go()?;
            go_build(package, version_variable, version, to)
        }
        Source::Python { path, file, .. } => {
            check_pip()?;
            pip_install(tool.name, path, file, to)
        }
    }
}

fn go() -> Command {
    let mut command = Command::new("go");
    // The user's flags and workspace must not change what is built.
    command.args(["-C", FOLDER]).env("GOFLAGS", "").env("GOWORK", "off").env("CGO_ENABLED", "0");
    command
}

fn go_build(package: &str, variable: &str, version: &str, to: &Path) -> Result<(), ToolsError> {
    let stamp = if variable.is_empty() { String::new() } else { format!(" -X {variable}=v{version}") };
    let mut command = go();
    command.args(["build", "-mod=readonly", "-trimpath", "-ldflags"]);
    command.arg(format!("-s -w{stamp}")).arg("-o").arg(to).arg(package);
    run(command)
}

fn pip_install(name: &'static str, path: &str, requirements: &str, to: &Path) -> Result<(), ToolsError> {
    let scratch = to.with_extension("scratch");
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:"]);
    command.args(["--require-hashes", "--requirement"]).arg(Path::new(FOLDER).join(requirements));
    command.arg("--upgrade").arg("--target").arg(&scratch);
    command.env("PIP_ROOT_USER_ACTION", "ignore");
    run(command)?;
    std::fs::rename(scratch.join(path), to).map_err(|_| ToolsError::Absent(name))?;
    std::fs::remove_dir_all(&scratch).map_err(at(&scratch))
}

fn run(mut command: Command) -> Result<(), ToolsError> {
    let failed = |status: String, command: &Command| ToolsError::Failed {
        command: std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" "),
        status,
    };
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string(), &command)),
        Err(error) => Err(failed(error.to_string(), &command)),
    }
}

fn check_go() -> Result<(), ToolsError> {
    let missing = |found: &str| ToolsError::Missing {
        program: "Go 1.26 or newer",
        how: format!("{found}; get it from https://go.dev/dl/ and put its bin folder on PATH"),
    };
    let output = go().args(["env", "GOVERSION"]).output().map_err(|_| missing("`go` is not on PATH"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match go_release(&text) {
        Some(release) if release >= GO => Ok(()),
        Some(_) => Err(missing(&format!("`go` is {text}"))),
        None => Err(missing(&format!(
            "`go` does not tell its version: {}",
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

fn go_release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("go")?.split(|at: char| !at.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn check_pip() -> Result<(), ToolsError> {
    let answers = |arguments: &[&str]| {
        Command::new("python3").args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !answers(&["--version"]) {
        let how = "`python3` is not on PATH; install it with your package manager (Debian: apt install python3-pip)";
        return Err(ToolsError::Missing { program: "Python 3.9 or newer", how: how.to_owned() });
    }
    if !answers(&["-m", "pip", "--version"]) {
        let how = "`python3 -m pip` does not run; install it with your package manager (Debian: apt install \
                   python3-pip), or run `python3 -m ensurepip`";
        return Err(ToolsError::Missing { program: "pip, Python's installer", how: how.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{GO, go_release};

    /// Compared as text, 1.9 would be newer than 1.26.
    #[test]
    fn releases_of_go_are_compared_as_numbers() {
        for (text, enough) in [("go1.26.8", true), ("go1.27rc1", true), ("go1.9", false), ("go2.0", true)] {
            assert_eq!(go_release(text).unwrap() >= GO, enough, "{text}");
        }
        assert_eq!(go_release("devel"), None);
    }
}
