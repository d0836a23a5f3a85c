//! `sockhop run`: check everything that can be checked, then become the program.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::args::RunArgs;
use crate::failure::{reason, Failure, NOT_EXECUTABLE, NOT_FOUND};
use crate::netdir::Base;
use crate::{janitor, preload, program, settings, sys};

/// The network of those who do not name one.
const DEFAULT_NETWORK: &str = "default";

/// Comes back only when the program could not be started.
pub fn run(args: &RunArgs) -> Result<std::convert::Infallible, Failure> {
    let mut env: Env = Env(std::env::vars_os().collect());
    settings::check(&env.0)?;
    let library = preload::find_library()?;
    let path = std::env::var_os("PATH");
    let file = program::find(&args.command[0], path.as_deref())?;
    if let Some(why) = program::obstacle(&file, path.as_deref())? {
        if !args.force {
            return Err(Failure::new(format!("{why} (--force starts it all the same)")));
        }
        eprintln!("sockhop: warning: {why}");
    }

    let base = Base::from_env()?;
    base.prepare()?;
    let network = if args.fresh {
        let (name, directory) = base.prepare_fresh()?;
        janitor::start(&directory)?;
        name
    } else {
        let name = match &args.net {
            Some(name) => checked_name(name)?,
            None => std::env::var_os("SOCKHOP_NET").unwrap_or_else(|| DEFAULT_NETWORK.into()),
        };
        base.prepare_network(&name)?;
        name
    };

    base.clear_away_abandoned(&network);
    env.set("SOCKHOP_DIR", base.path.as_os_str());
    env.set("SOCKHOP_NET", &network);
    if args.isolated {
        env.set("SOCKHOP_ISOLATED", OsStr::new("1"));
    }
    env.make_absolute("SOCKHOP_LOG_FILE");
    let preload = preload::preload_value(&library, env.get("LD_PRELOAD"));
    env.set("LD_PRELOAD", &preload);
    Err(exec(&file, &args.command, &env.0))
}

/// What `--net` was given, for messages by that name.
pub fn checked_name(name: &OsStr) -> Result<OsString, Failure> {
    let text = name.to_str().ok_or_else(|| Failure::new("--net: the name is not valid UTF-8"))?;
    settings::network_name(text).map_err(|why| Failure::new(format!("--net: {why}")))?;
    Ok(name.to_os_string())
}

fn exec(file: &Path, command: &[OsString], env: &[(OsString, OsString)]) -> Failure {
    let mut error = sys::execve(file.as_os_str(), command, env);
    if error.raw_os_error() == Some(libc::ENOEXEC) {
        // A text file without a `#!` line is a script for sh (man 3 execvp).
        let mut shell: Vec<OsString> = vec!["sh".into(), file.into()];
        shell.extend_from_slice(&command[1..]);
        error = sys::execve(OsStr::new("/bin/sh"), &shell, env);
    }
    let status = if error.raw_os_error() == Some(libc::ENOENT) { NOT_FOUND } else { NOT_EXECUTABLE };
    Failure::with_status(status, format!("{}: {}", file.display(), reason(&error)))
}

struct Env(Vec<(OsString, OsString)>);

impl Env {
    fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_os_str())
    }

    fn set(&mut self, name: &str, value: &OsStr) {
        self.0.retain(|(n, _)| n != name);
        self.0.push((name.into(), value.into()));
    }

    /// A relative path would mean another file as soon as the program changes its directory.
    fn make_absolute(&mut self, name: &str) {
        let absolute: Option<PathBuf> = self.get(name).and_then(|value| std::path::absolute(value).ok());
        if let Some(absolute) = absolute {
            self.set(name, absolute.as_os_str());
        }
    }
}
