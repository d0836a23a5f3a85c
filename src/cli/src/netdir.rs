//! Where networks live: the base directory and one directory in it for each.
//!
//! The mode keeps other users out, so it is checked and not assumed: a directory under /dev/shm has a name that
//! anybody could have taken before us.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{access, Access};

use crate::failure::{reason, Failure};

/// The base directory and, for messages, the variable that decided it.
pub struct Base {
    pub path: PathBuf,
    origin: &'static str,
}

impl Base {
    /// $SOCKHOP_DIR, else $XDG_RUNTIME_DIR/sockhop, else /dev/shm/sockhop-UID.
    pub fn from_env() -> Result<Self, Failure> {
        let user = rustix::process::geteuid().as_raw();
        Self::choose(std::env::var_os("SOCKHOP_DIR"), std::env::var_os("XDG_RUNTIME_DIR"), user)
    }

    fn choose(dir: Option<OsString>, runtime: Option<OsString>, user: u32) -> Result<Self, Failure> {
        let (path, origin) = match (dir, runtime) {
            (Some(dir), _) if dir.is_empty() => return Err(Failure::new("SOCKHOP_DIR: is set but empty")),
            (Some(dir), _) => (PathBuf::from(dir), "SOCKHOP_DIR"),
            // The XDG base directory specification: empty counts as unset, and a relative path is to be ignored.
            (None, Some(runtime)) if Path::new(&runtime).is_absolute() => {
                (Path::new(&runtime).join("sockhop"), "XDG_RUNTIME_DIR")
            }
            _ => (PathBuf::from(format!("/dev/shm/sockhop-{user}")), "default directory"),
        };
        // Absolute, because the program may change its directory and still has to find the same network.
        let path = std::path::absolute(&path)
            .map_err(|error| Failure::new(format!("{origin}: {}: {}", path.display(), reason(&error))))?;
        Ok(Self { path, origin })
    }

    /// Makes the base directory if need be and checks that it is ours alone.
    pub fn prepare(&self) -> Result<(), Failure> {
        self.tell(&self.path, make(&self.path).and_then(|_| inspect(&self.path)))
    }

    /// Makes the directory of a network if need be and checks it like the base.
    pub fn prepare_network(&self, name: &OsStr) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        self.tell(&path, make(&path).and_then(|_| inspect(&path)))?;
        Ok(path)
    }

    /// Makes a network that did not exist before. The name is random, so a second try is already unheard of.
    pub fn prepare_fresh(&self) -> Result<(OsString, PathBuf), Failure> {
        for _ in 0..16 {
            let name = OsString::from(format!("fresh-{}", random_letters()?));
            let path = self.path.join(&name);
            match make(&path) {
                Ok(true) => {
                    self.tell(&path, inspect(&path))?;
                    // The library removes an empty network with its last socket; a fresh one stays until its janitor goes.
                    let mark = std::fs::File::create_new(path.join(".fresh"));
                    self.tell(&path, mark.map(drop).map_err(|e| e.to_string()))?;
                    return Ok((name, path));
                }
                Ok(false) => continue,
                Err(why) => self.tell(&path, Err(why))?,
            }
        }
        Err(Failure::new(format!("{}: {}: no free name for a fresh network", self.origin, self.path.display())))
    }

    /// The networks that exist, by name. Without a base directory there are none.
    pub fn networks(&self) -> Result<Vec<OsString>, Failure> {
        let told =
            |error: io::Error| Failure::new(format!("{}: {}: {}", self.origin, self.path.display(), reason(&error)));
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(told(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(told)?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.push(entry.file_name());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Removes the networks besides this one whose processes were all killed. A fresh one is its janitor's.
    pub fn clear_away_abandoned(&self, besides: &OsStr) {
        let others = self.networks().unwrap_or_default();
        let is_fresh = |name: &OsStr| name.as_encoded_bytes().starts_with(b"fresh-");
        for name in others.iter().filter(|name| *name != besides && !is_fresh(name)) {
            let path = self.path.join(name).into_os_string().into_vec();
            if let Ok(directory) = CString::new(path) {
                sockhop::network::clear_away(&directory);
            }
        }
    }

    fn tell(&self, path: &Path, outcome: Result<(), String>) -> Result<(), Failure> {
        outcome.map_err(|why| Failure::new(format!("{}: {}: {why}", self.origin, path.display())))
    }
}

/// Makes a directory with mode 0700, whatever the umask; false when something of that name is there already.
fn make(path: &Path) -> Result<bool, String> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .map_err(|error| format!("cannot set its mode: {}", reason(&error)))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(format!("cannot make this directory: {}", reason(&error))),
    }
}

fn inspect(path: &Path) -> Result<(), String> {
    // Not following a link: it could be turned to another place at any time by whoever made it.
    let meta = fs::symlink_metadata(path).map_err(|error| reason(&error))?;
    if !meta.is_dir() {
        return Err("is not a directory".into());
    }
    let user = rustix::process::geteuid().as_raw();
    if meta.uid() != user {
        return Err(format!("belongs to user {}, not to you (user {user})", meta.uid()));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(format!("is open to other users (mode {:04o}, must be 0700)", meta.mode() & 0o7777));
    }
    if meta.mode() & 0o700 != 0o700 {
        return Err(format!("you lack rights on it yourself (mode {:04o}, must be 0700)", meta.mode() & 0o7777));
    }
    // The mode says nothing about a read-only file system.
    access(path, Access::WRITE_OK).map_err(|error| format!("is not writable: {}", reason(&error.into())))
}

fn random_letters() -> Result<String, Failure> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0u8; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Failure::new(format!("no random bytes: {}", reason(&error.into()))))?;
    Ok(bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn base(path: &Path) -> Base {
        Base { path: path.to_path_buf(), origin: "SOCKHOP_DIR" }
    }

    #[test]
    fn the_base_is_chosen_in_order() {
        let chosen = |dir: Option<&str>, runtime: Option<&str>| {
            Base::choose(dir.map(Into::into), runtime.map(Into::into), 7).map(|b| b.path.display().to_string())
        };
        assert_eq!(chosen(Some("/a"), Some("/run/user/7")).unwrap(), "/a");
        assert_eq!(chosen(None, Some("/run/user/7")).unwrap(), "/run/user/7/sockhop");
        assert_eq!(chosen(None, Some("")).unwrap(), "/dev/shm/sockhop-7");
        assert_eq!(chosen(None, Some("relative")).unwrap(), "/dev/shm/sockhop-7");
        assert_eq!(chosen(None, None).unwrap(), "/dev/shm/sockhop-7");
        assert!(chosen(Some(""), None).is_err());
        assert!(chosen(Some("relative"), None).unwrap().starts_with('/'));
    }

    #[test]
    fn directories_are_made_private_and_found_again() {
        let temp = tempfile::tempdir().unwrap();
        let base = base(&temp.path().join("base"));
        base.prepare().unwrap();
        base.prepare().unwrap();
        let made = base.prepare_network(OsStr::new("blue")).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().mode() & 0o7777, 0o700);
        let (name, path) = base.prepare_fresh().unwrap();
        assert!(path.is_dir());
        assert_eq!(name.len(), "fresh-XXXXXXXX".len());
        assert_eq!(base.networks().unwrap(), [OsString::from("blue"), name]);
    }

    #[test]
    fn what_is_not_ours_alone_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let refused = |name: &str, why: &str| {
            let text = base(&temp.path().join(name)).prepare().unwrap_err().to_string();
            assert!(text.starts_with("SOCKHOP_DIR: ") && text.contains(why), "{text}");
        };

        fs::create_dir(temp.path().join("wide")).unwrap();
        fs::set_permissions(temp.path().join("wide"), fs::Permissions::from_mode(0o750)).unwrap();
        refused("wide", "mode 0750");

        fs::create_dir(temp.path().join("tight")).unwrap();
        fs::set_permissions(temp.path().join("tight"), fs::Permissions::from_mode(0o500)).unwrap();
        refused("tight", "mode 0500");

        fs::write(temp.path().join("file"), "").unwrap();
        refused("file", "is not a directory");

        fs::create_dir(temp.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", temp.path().join("link")).unwrap();
        refused("link", "is not a directory");

        refused("missing/child", "cannot make this directory");
    }

    #[test]
    fn no_base_means_no_networks() {
        let temp = tempfile::tempdir().unwrap();
        assert!(base(&temp.path().join("nowhere")).networks().unwrap().is_empty());
    }
}
