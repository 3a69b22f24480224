//! `cargo soak NAME`: one test at its whole count.

use anyhow::Context;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(name) = arguments.next().filter(|name| !name.to_string_lossy().starts_with('-')) else {
        eprintln!(
            "usage: cargo soak NAME [ARGUMENTS OF THE TEST PROGRAM]\nNAME is (part of) the name of a test"
        );
        return Ok(ExitCode::from(2));
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["test", "--workspace"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.arg("--").arg(name).arg("--nocapture").args(arguments).env("SOAK", "1");
    let status = command.status().context("cargo could not be started")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
