//! Ties a child's life to ours: a process in between asks the kernel to be killed when its parent ends, and then
//! becomes the program. The kernel means the parent *thread*, so the one that starts children must be the last to end.

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Name of the hidden subcommand with [`run`] behind it.
pub const SUBCOMMAND: &str = "guard";

/// Runs `program` as a child of this thread that does not outlive it; `guard` is a program with [`SUBCOMMAND`].
#[must_use]
pub fn command(guard: &Path, program: &Path) -> Command {
    let mut command = Command::new(guard);
    command.arg(SUBCOMMAND).arg(std::process::id().to_string()).arg(program);
    command
}

/// Becomes `program`. Called before any thread is started, with the process id that our parent gave us.
///
/// # Errors
/// Always: on success it does not return.
#[must_use]
pub fn run(parent: i32, program: &OsStr, arguments: &[OsString]) -> io::Error {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    // Had it ended before the line above, no signal would come.
    if getppid().as_raw() != parent {
        return io::Error::other("the process that started this one has ended");
    }
    Command::new(program).args(arguments).exec()
}
