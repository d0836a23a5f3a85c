//! From the word on the command line to the file that the kernel will run, and whether it can be preloaded.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{access, Access};

use crate::elf;
use crate::failure::{reason, Failure, NOT_EXECUTABLE, NOT_FOUND};

/// How deep the kernel follows scripts whose interpreter is a script again (fs/exec.c, BINPRM_MAX_RECURSION is 5).
const MAX_DEPTH: usize = 5;
/// How much of a `#!` line the kernel looks at (man 2 execve: 255 since Linux 5.1).
const MAX_LINE: usize = 255;

/// Finds a program as a shell does: a name with a slash is a path, any other is searched in PATH.
pub fn find(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Failure> {
    let shown = Path::new(name).display();
    if name.as_bytes().contains(&b'/') {
        let file = PathBuf::from(name);
        return match executable(&file) {
            Ok(()) => Ok(file),
            Err((status, why)) => Err(Failure::with_status(status, format!("{shown}: {why}"))),
        };
    }
    let mut unusable = None;
    if !name.is_empty() {
        // An empty entry is the current directory (POSIX XBD 8.3).
        for place in std::env::split_paths(path.unwrap_or(OsStr::new("/bin:/usr/bin"))) {
            let place = if place.as_os_str().is_empty() { PathBuf::from(".") } else { place };
            let file = place.join(name);
            match executable(&file) {
                Ok(()) => return Ok(file),
                // What is no file, or lies where one may not look, does not count as found (bash does the same).
                Err((NOT_EXECUTABLE, why)) if file.is_file() => unusable = unusable.or(Some((file, why))),
                Err(_) => {}
            }
        }
    }
    match unusable {
        Some((file, why)) => Err(Failure::with_status(NOT_EXECUTABLE, format!("{}: {why}", file.display()))),
        None => Err(Failure::with_status(NOT_FOUND, format!("{shown}: command not found"))),
    }
}

fn executable(file: &Path) -> Result<(), (i32, String)> {
    let meta = match fs::metadata(file) {
        Ok(meta) => meta,
        Err(error) => {
            let gone = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
            return Err((if gone { NOT_FOUND } else { NOT_EXECUTABLE }, reason(&error)));
        }
    };
    if meta.is_dir() {
        return Err((NOT_EXECUTABLE, "is a directory".into()));
    }
    access(file, Access::EXEC_OK).map_err(|error| (NOT_EXECUTABLE, reason(&error.into())))
}

/// Says why the library would not be in charge of this program's sockets, if it would not.
pub fn obstacle(file: &Path, path: Option<&OsStr>) -> Result<Option<String>, Failure> {
    examine(file, path, 0)
}

fn examine(file: &Path, path: Option<&OsStr>, depth: usize) -> Result<Option<String>, Failure> {
    let told = |why: String| format!("{}: {why}", file.display());
    let cannot = |status: i32, why: String| Failure::with_status(status, told(why));
    let head = match head(file) {
        Ok(head) => head,
        // Execute without read permission is possible, and then the kernel hides the process from the library's view.
        Err(error) => return Ok(Some(told(format!("cannot be looked into: {}", reason(&error))))),
    };
    if head.starts_with(b"\x7fELF") {
        if let Some(why) = privileged(file) {
            return Ok(Some(told(why)));
        }
        let found = elf::obstacle(file).map_err(|why| cannot(NOT_EXECUTABLE, why))?;
        return Ok(found.map(|obstacle| told(obstacle.reason())));
    }
    if depth >= MAX_DEPTH {
        return Err(cannot(NOT_EXECUTABLE, "too many interpreters of interpreters".into()));
    }
    let Some(line) = ScriptLine::parse(&head) else {
        // No format that the kernel knows: a shell takes it as a script of its own, and so does `run`.
        return examine(Path::new("/bin/sh"), path, depth + 1);
    };
    executable(&line.interpreter)
        .map_err(|(status, why)| cannot(status, format!("its interpreter {}: {why}", line.interpreter.display())))?;
    if let Some(why) = examine(&line.interpreter, path, depth + 1)? {
        return Ok(Some(told(format!("its interpreter {why}"))));
    }
    // `env` is only a step on the way to the program that counts.
    let Some(name) = line.env_program() else { return Ok(None) };
    let real = find(&name, path).map_err(|f| cannot(f.status, format!("its interpreter {f}")))?;
    Ok(examine(&real, path, depth + 1)?.map(|why| told(format!("its interpreter {why}"))))
}

fn head(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(file)?.take(MAX_LINE as u64 + 1).read_to_end(&mut head)?;
    Ok(head)
}

/// The loader drops LD_PRELOAD when a program gains rights (man 8 ld.so, "secure-execution mode"): the effective ids
/// would differ from the real ones, or a user who is not root would gain capabilities.
fn privileged(file: &Path) -> Option<String> {
    let meta = fs::metadata(file).ok()?;
    let ids = Ids { user: rustix::process::getuid().as_raw(), group: rustix::process::getgid().as_raw() };
    let mut capabilities = [0u8; 64];
    let has_capabilities = rustix::fs::getxattr(file, "security.capability", &mut capabilities).is_ok();
    gains(&ids, meta.mode(), meta.uid(), meta.gid(), has_capabilities)
}

struct Ids {
    user: u32,
    group: u32,
}

fn gains(me: &Ids, mode: u32, owner: u32, group: u32, capabilities: bool) -> Option<String> {
    const DROPPED: &str = "so the loader ignores LD_PRELOAD";
    if mode & 0o4000 != 0 && owner != me.user {
        return Some(format!("is setuid (user {owner}), {DROPPED}"));
    }
    // Without the group's execute bit, setgid has no effect on an executable (man 2 execve and inode(7)).
    if mode & 0o2010 == 0o2010 && group != me.group {
        return Some(format!("is setgid (group {group}), {DROPPED}"));
    }
    if capabilities && me.user != 0 {
        return Some(format!("has file capabilities, {DROPPED}"));
    }
    None
}

/// A `#!` line: the interpreter and all the rest as one argument, as Linux splits it.
#[derive(Debug, PartialEq, Eq)]
struct ScriptLine {
    interpreter: PathBuf,
    argument: Vec<u8>,
}

impl ScriptLine {
    fn parse(head: &[u8]) -> Option<Self> {
        let line = head.strip_prefix(b"#!")?;
        let line = line.split(|b| *b == b'\n').next()?.trim_ascii();
        let end = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
        if end == 0 {
            return None;
        }
        let interpreter = PathBuf::from(OsString::from_vec(line[..end].to_vec()));
        Some(Self { interpreter, argument: line[end..].trim_ascii().to_vec() })
    }

    /// The program that `env` would start: the first word that is neither an option nor an assignment. Without -S the
    /// whole argument is one word; splitting it at blanks costs nothing, for a program with a blank in its name would
    /// not be found either.
    fn env_program(&self) -> Option<OsString> {
        if self.interpreter.file_name() != Some(OsStr::new("env")) {
            return None;
        }
        let words = self.argument.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let program = words
            .map(|word| word.strip_prefix(b"-S").unwrap_or(word))
            .find(|word| !word.is_empty() && !word.starts_with(b"-") && !word.contains(&b'='))?;
        Some(OsString::from_vec(program.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn line(text: &str) -> Option<(String, String)> {
        let line = ScriptLine::parse(text.as_bytes())?;
        Some((line.interpreter.display().to_string(), String::from_utf8(line.argument).unwrap()))
    }

    fn env(text: &str) -> Option<String> {
        ScriptLine::parse(text.as_bytes()).unwrap().env_program().map(|name| name.into_string().unwrap())
    }

    #[test]
    fn a_script_line_is_split_once() {
        assert_eq!(line("#!/bin/sh\nexit"), Some(("/bin/sh".into(), String::new())));
        assert_eq!(line("#! \t/bin/sh -e -u \n"), Some(("/bin/sh".into(), "-e -u".into())));
        assert_eq!(line("#!/bin/sh"), Some(("/bin/sh".into(), String::new())));
        assert_eq!(line("#!\n"), None);
        assert_eq!(line("echo"), None);
    }

    #[test]
    fn env_names_the_program_behind_it() {
        assert_eq!(env("#!/usr/bin/env python3\n").as_deref(), Some("python3"));
        assert_eq!(env("#!/usr/bin/env -S A=1 perl -w\n").as_deref(), Some("perl"));
        assert_eq!(env("#!/usr/bin/env -Sruby -w\n").as_deref(), Some("ruby"));
        assert_eq!(env("#!/usr/bin/env\n"), None);
        assert_eq!(env("#!/bin/sh x\n"), None);
    }

    #[test]
    fn rights_that_are_gained_are_told() {
        let user = Ids { user: 1000, group: 1000 };
        let root = Ids { user: 0, group: 0 };
        assert!(gains(&user, 0o104755, 0, 0, false).unwrap().contains("setuid"));
        assert!(gains(&user, 0o102755, 0, 42, false).unwrap().contains("setgid"));
        assert!(gains(&user, 0o100755, 0, 0, true).unwrap().contains("capabilities"));
        assert!(gains(&root, 0o104755, 1000, 0, false).unwrap().contains("setuid"));
        assert_eq!(gains(&root, 0o104755, 0, 0, true), None);
        assert_eq!(gains(&user, 0o104755, 1000, 0, false), None);
        assert_eq!(gains(&user, 0o102745, 0, 42, false), None);
        assert_eq!(gains(&user, 0o100755, 0, 0, false), None);
    }

    #[test]
    fn path_is_searched_in_order_and_skips_what_cannot_run() {
        let temp = tempfile::tempdir().unwrap();
        let make = |name: &str, mode: u32| {
            let file = temp.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        make("a/tool", 0o644);
        let second = make("b/tool", 0o755);
        make("a/only", 0o644);
        fs::create_dir(temp.path().join("a/folder")).unwrap();
        let path = std::env::join_paths([temp.path().join("a"), temp.path().join("b")]).unwrap();
        let look = |name: &str| find(OsStr::new(name), Some(&path));
        assert_eq!(look("tool").unwrap(), second);
        assert_eq!(look("only").unwrap_err().status, NOT_EXECUTABLE);
        assert_eq!(look("neither").unwrap_err().status, NOT_FOUND);
        assert_eq!(look("folder").unwrap_err().status, NOT_FOUND);
        assert_eq!(look("").unwrap_err().status, NOT_FOUND);
        assert_eq!(look(temp.path().to_str().unwrap()).unwrap_err().status, NOT_EXECUTABLE);
    }
}
