//! Who clears a `--fresh` network away: `run` itself has become the program by then.
//!
//! A process of its own, in a session of its own, that is not the program's child (a program that waits for any
//! child must not find one that it never started) and that holds none of its descriptors (a pipe must end when the
//! program's end is closed). It sleeps in the kernel until the program has ended, then until everybody else has who
//! was started in the network.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::{fcntl_dupfd_cloexec, fcntl_setfd, Errno, FdFlags};
use rustix::process::{getpid, pidfd_open, Pid, PidfdFlags};

use crate::args::JanitorArgs;
use crate::failure::{reason, Failure};
use crate::sys;

/// A process is without an environment for a moment while it execs, and a child can be made behind a scan's back:
/// the network counts as empty after this many scans that found nobody.
const QUIET_SCANS: u32 = 3;
const BETWEEN_SCANS: Duration = Duration::from_millis(20);

/// Starts the janitor of a network for the program that this process is about to become.
pub fn start(directory: &Path) -> Result<(), Failure> {
    let outcome = (|| {
        // Opened here, before anything else, so that it means this process and no later one of the same number.
        let program = pidfd_open(getpid(), PidfdFlags::empty())?;
        // Above the standard descriptors, which are replaced on the way and may be closed here.
        let program = fcntl_dupfd_cloexec(&program, 3)?;
        without_being_a_subreaper(|| hand_on(&program, directory, true)?.wait().or_else(nobody_to_wait_for))
    })();
    outcome.map_err(|error| {
        let _ = fs::remove_dir(directory);
        Failure::new(format!("--fresh: cannot start the process that clears the network away: {}", reason(&error)))
    })
}

/// The hidden verb: the first stage starts the second and ends, which leaves that one to init.
pub fn run(args: &JanitorArgs) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(format!("janitor: {}", reason(&error)));
    let program = sys::adopt(args.pidfd).map_err(failed)?;
    let name = args.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.starts_with("fresh-") {
        return Err(Failure::new("janitor: not the directory of a fresh network"));
    }
    if args.detach {
        rustix::process::setsid().map_err(|error| failed(error.into()))?;
        sys::close_on_exec_from(3).map_err(failed)?;
        hand_on(&program, &args.directory, false).map_err(failed)?;
        return Ok(());
    }
    let _ = rustix::thread::set_name(c"sockhop-janitor");
    wait_for_all(vec![program]).map_err(failed)?;
    let entry = format!("SOCKHOP_NET={name}");
    let mut quiet = 0;
    while quiet < QUIET_SCANS {
        let present = members(entry.as_bytes());
        if present.is_empty() {
            quiet += 1;
            std::thread::sleep(BETWEEN_SCANS);
        } else {
            quiet = 0;
            wait_for_all(present).map_err(failed)?;
        }
    }
    match fs::remove_dir_all(&args.directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Starts this command again as a janitor. Nothing of the program shows in its arguments or its environment, so that
/// somebody who looks for the program by name does not find the janitor.
fn hand_on(program: &OwnedFd, directory: &Path, detach: bool) -> io::Result<std::process::Child> {
    fcntl_setfd(program, FdFlags::empty())?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("sockhop").arg("janitor");
    if detach {
        command.arg("--detach");
    }
    command.arg(directory).arg(program.as_raw_fd().to_string());
    command.env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn()
}

/// A caller that ignores SIGCHLD has its children reaped by the kernel; then `wait` waits all the same, and ends so.
fn nobody_to_wait_for(error: io::Error) -> io::Result<std::process::ExitStatus> {
    match error.raw_os_error() {
        Some(libc::ECHILD) => Ok(std::process::ExitStatus::default()),
        _ => Err(error),
    }
}

/// Whoever is a subreaper (the attribute lives through an exec) would be given the janitor as its child.
fn without_being_a_subreaper(work: impl FnOnce() -> io::Result<std::process::ExitStatus>) -> io::Result<()> {
    let before = rustix::process::child_subreaper()?;
    if before.is_some() {
        rustix::process::set_child_subreaper(None)?;
    }
    let outcome = work();
    if before.is_some() {
        rustix::process::set_child_subreaper(before)?;
    }
    match outcome? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("it ended with {status}"))),
    }
}

/// Sleeps until each of these processes has ended.
fn wait_for_all(mut processes: Vec<OwnedFd>) -> io::Result<()> {
    while !processes.is_empty() {
        let ended: Vec<bool> = {
            let mut fds: Vec<_> = processes.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            match poll(&mut fds, None) {
                Ok(_) => fds.iter().map(|fd| !fd.revents().is_empty()).collect(),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
        };
        let mut ended = ended.into_iter();
        processes.retain(|_| !ended.next().unwrap_or(false));
    }
    Ok(())
}

/// The living processes that have this entry in the environment they were started with.
fn members(entry: &[u8]) -> Vec<OwnedFd> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|e| e.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    let mut found = Vec::new();
    for number in numbers.filter(|number| in_environment(*number, entry)) {
        let Some(pid) = Pid::from_raw(number) else { continue };
        // Asked again with the process in hand: the number may have changed owners in between.
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) if in_environment(number, entry) => found.push(process),
            _ => {}
        }
    }
    found
}

/// A process of another user cannot be read and cannot be in the network either.
fn in_environment(pid: i32, entry: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|e| e == entry)
}
