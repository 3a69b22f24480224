//! `sandbox`: runs one container of the process node, described as JSON on standard input.
//!
//! Two stages. The outer one leaves the host's user, mount, process, IPC and host name namespaces, starts the inner
//! one as process 1 of the new ones, hands SIGTERM on and ends with its code (128 + n for signal n). The inner one
//! builds the root file system and becomes the program. Each is killed when its parent ends.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{Pid, chdir, getegid, geteuid, getpid, getppid, pivot_root, sethostname};
use tests::node::sandbox::{Bind, SHARED_ETC, Sandbox};

/// What the container runtimes use for a container that could not be started.
const START_ERROR: u8 = 128;
/// First argument of the inner stage; the second is the outer stage's process id.
const INNER: &str = "inner";
/// Folders of the host that every container has: the programs are dynamically linked.
const HOST_FOLDERS: [&str; 5] = ["/usr", "/lib", "/lib64", "/bin", "/sbin"];
/// Device files that every container has.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [] => outer(),
        [stage, outer] if stage == INNER => inner(outer),
        _ => Err(anyhow::anyhow!("usage: sandbox < DESCRIPTION.json")),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("sandbox: {error:#}; the program was not started");
            ExitCode::from(START_ERROR)
        }
    }
}

fn outer() -> Result<u8> {
    set_pdeathsig(Signal::SIGKILL)?;
    let (text, sandbox) = read_description()?;
    ensure!(getppid() == Pid::from_raw(sandbox.parent), "the node that asked for this container is gone");
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    unshare(
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS,
    )
    .context("cannot make namespaces; the kernel has to allow user namespaces")?;
    map_ids((0, uid), (0, gid))?;
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    let mut child = Command::new("/proc/self/exe")
        .args([INNER, &getpid().to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start the inner stage")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes())?;
    }
    hand_on(&mut child, signals)
}

/// Waits for the child's end and hands SIGTERM on to it.
fn hand_on(child: &mut Child, signals: SigSet) -> Result<u8> {
    let pid = Pid::from_raw(child.id().try_into()?);
    loop {
        if let Some(status) = child.try_wait()? {
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
            return Ok(u8::try_from(code)?);
        }
        if signals.wait()? == Signal::SIGTERM {
            kill(pid, Signal::SIGTERM)?;
        }
    }
}

fn inner(outer: &str) -> Result<u8> {
    set_pdeathsig(Signal::SIGKILL)?;
    SigSet::empty().thread_set_mask()?;
    ensure!(parent_seen_from_the_host()? == outer, "the outer stage is gone");
    let (_, sandbox) = read_description()?;
    build_root(&sandbox)?;
    enter_root(&sandbox)?;
    sethostname(&sandbox.hostname).context("cannot set the host name")?;
    // A second user namespace: the first one has to be root in itself to mount, the program must not be.
    unshare(CloneFlags::CLONE_NEWUSER).context("cannot leave the user namespace that owns the mounts")?;
    map_ids((sandbox.uid, 0), (sandbox.gid, 0))?;
    set_no_new_privs()?;
    set_pdeathsig(Signal::SIGKILL)?;
    chdir(&sandbox.working_dir)
        .with_context(|| format!("no working folder {}", sandbox.working_dir.display()))?;
    let Some((program, arguments)) = sandbox.argv.split_first() else {
        bail!("no command and no entrypoint")
    };
    let error =
        Command::new(program).args(arguments).env_clear().envs(&sandbox.env).stdin(Stdio::null()).exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}

fn read_description() -> Result<(String, Sandbox)> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let sandbox = serde_json::from_str(&text).context("the description is not readable")?;
    Ok((text, sandbox))
}

/// Process 1 has no parent in its own namespace; the host's /proc, still mounted, tells it all the same.
fn parent_seen_from_the_host() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Ok(parent.context("no PPid in /proc/self/status")?.trim().to_owned())
}

/// Maps one user and one group, each as (inside, outside).
fn map_ids(uid: (u32, u32), gid: (u32, u32)) -> Result<()> {
    // Without this the kernel lets nobody but root write a group map.
    fs::write("/proc/self/setgroups", "deny").context("cannot give up setgroups")?;
    fs::write("/proc/self/uid_map", format!("{} {} 1", uid.0, uid.1)).context("cannot map the user")?;
    fs::write("/proc/self/gid_map", format!("{} {} 1", gid.0, gid.1)).context("cannot map the group")
}

fn build_root(sandbox: &Sandbox) -> Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)
        .context("cannot leave the host's mount propagation")?;
    mount(Some("tmpfs"), &sandbox.root, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0755"))
        .with_context(|| format!("cannot mount a root at {}", sandbox.root.display()))?;
    for folder in HOST_FOLDERS {
        host_folder(&sandbox.root, Path::new(folder))?;
    }
    etc(&sandbox.root, &sandbox.etc)?;
    devices(&sandbox.root)?;
    proc(&sandbox.root)?;
    if !sandbox.read_only_root {
        make_writable_tmp(&sandbox.root)?;
    }
    // If it cannot be made, it may still be part of a volume; entering it tells.
    fs::create_dir_all(within(&sandbox.root, &sandbox.working_dir)).ok();
    sandbox.binds_outside_in().into_iter().try_for_each(|bind| bind_into(&sandbox.root, bind))
}

fn host_folder(root: &Path, folder: &Path) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(folder) else { return Ok(()) };
    if found.is_symlink() {
        return Ok(symlink(fs::read_link(folder)?, within(root, folder))?);
    }
    bind_into(root, &Bind { source: folder.into(), target: folder.into(), read_only: true })
}

/// `/etc` holds relative links into the shared folder: a rename there shows at once, and volumes fit beside the links.
fn etc(root: &Path, shared: &Path) -> Result<()> {
    bind_into(root, &Bind { source: shared.into(), target: SHARED_ETC.into(), read_only: true })?;
    fs::create_dir(root.join("etc"))?;
    for entry in fs::read_dir(shared)? {
        let name = entry?.file_name();
        symlink(Path::new("..").join(&SHARED_ETC[1..]).join(&name), root.join("etc").join(&name))?;
    }
    Ok(())
}

fn devices(root: &Path) -> Result<()> {
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        bind_into(root, &Bind { source: path.clone(), target: path, read_only: false })?;
    }
    for (name, number) in [("stdin", 0), ("stdout", 1), ("stderr", 2)] {
        symlink(format!("/proc/self/fd/{number}"), root.join("dev").join(name))?;
    }
    Ok(symlink("/proc/self/fd", root.join("dev/fd"))?)
}

fn proc(root: &Path) -> Result<()> {
    let at = root.join("proc");
    fs::create_dir(&at)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("proc"), &at, Some("proc"), flags, None::<&str>) {
        // A host that is a container itself may hide parts of /proc; the kernel then refuses a fresh one.
        Err(Errno::EPERM) => {
            bind_into(root, &Bind { source: "/proc".into(), target: "/proc".into(), read_only: false })
        }
        outcome => outcome.context("cannot mount /proc"),
    }
}

fn make_writable_tmp(root: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let tmp = root.join("tmp");
    fs::create_dir(&tmp)?;
    Ok(fs::set_permissions(tmp, fs::Permissions::from_mode(0o1777))?)
}

fn bind_into(root: &Path, bind: &Bind) -> Result<()> {
    let target = within(root, &bind.target);
    make_mount_point(&bind.source, &target)
        .with_context(|| format!("cannot mount {} at {}", bind.source.display(), bind.target.display()))?;
    let none: Option<&str> = None;
    mount(Some(&bind.source), &target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .with_context(|| format!("cannot bind {} at {}", bind.source.display(), bind.target.display()))?;
    if bind.read_only {
        make_read_only(&target)?;
    }
    Ok(())
}

fn make_mount_point(source: &Path, target: &Path) -> Result<()> {
    if fs::metadata(source)?.is_dir() {
        return Ok(fs::create_dir_all(target)?);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    if !target.exists() {
        fs::File::create(target)?;
    }
    Ok(())
}

/// Remounts read-only, with the flags the mount has: a user namespace may add to those of the host, not take away.
fn make_read_only(target: &Path) -> Result<()> {
    let has = statvfs(target)?.flags();
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    for (kept, flag) in [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        flags.set(flag, has.contains(kept));
    }
    let none: Option<&str> = None;
    mount(none, target, none, flags, none)
        .with_context(|| format!("cannot make {} read-only", target.display()))
}

fn enter_root(sandbox: &Sandbox) -> Result<()> {
    chdir(&sandbox.root)?;
    // The old root is stacked on the new one for a moment, so it needs no folder of its own.
    pivot_root(".", ".").context("cannot enter the root")?;
    umount2(".", MntFlags::MNT_DETACH).context("cannot leave the host's root")?;
    chdir("/")?;
    if sandbox.read_only_root { make_read_only(Path::new("/")) } else { Ok(()) }
}

/// `/a/b` of the container, as a path of the host.
fn within(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
