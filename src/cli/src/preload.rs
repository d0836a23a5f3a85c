//! The library: where it is, and how LD_PRELOAD names it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::failure::{reason, Failure};

const NAME: &str = "libsockhop.so";

/// $SOCKHOP_LIB, else beside this command, else in ../lib.
pub fn find_library() -> Result<PathBuf, Failure> {
    if let Some(given) = std::env::var_os("SOCKHOP_LIB") {
        let fail = |why: String| Failure::new(format!("SOCKHOP_LIB: {}: {why}", Path::new(&given).display()));
        let path = std::path::absolute(&given).map_err(|error| fail(reason(&error)))?;
        let meta = std::fs::metadata(&path).map_err(|error| fail(reason(&error)))?;
        if !meta.is_file() {
            return Err(fail("is not a file".into()));
        }
        return expressible(path);
    }
    let command = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot tell where this command is: {}", reason(&error))))?;
    let home = command.parent().unwrap_or(Path::new("/"));
    let places = [home.join(NAME), home.join("../lib").join(NAME)];
    match places.iter().find_map(|place| place.canonicalize().ok().filter(|found| found.is_file())) {
        Some(found) => expressible(found),
        None => Err(Failure::new(format!(
            "{NAME} is neither in {} nor in {}; set SOCKHOP_LIB to its path",
            home.display(),
            home.join("../lib").display()
        ))),
    }
}

/// LD_PRELOAD separates its entries by colons and blanks and knows no way to quote one (man 8 ld.so).
fn expressible(path: PathBuf) -> Result<PathBuf, Failure> {
    if path.as_os_str().as_bytes().iter().any(|b| matches!(b, b':' | b' ' | b'\t' | b'\n')) {
        return Err(Failure::new(format!(
            "{}: LD_PRELOAD cannot name a path that has a blank or a colon in it; set SOCKHOP_LIB to another copy",
            path.display()
        )));
    }
    Ok(path)
}

/// The library in front of what was preloaded already; once, also when one `sockhop run` starts another.
pub fn preload_value(library: &Path, present: Option<&OsStr>) -> OsString {
    let library = library.as_os_str().as_bytes();
    let mut value = library.to_vec();
    let present = present.map(OsStr::as_bytes).unwrap_or_default();
    for entry in present.split(|b| matches!(b, b':' | b' ')).filter(|e| !e.is_empty() && *e != library) {
        value.push(b':');
        value.extend_from_slice(entry);
    }
    OsString::from_vec(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_comes_first_and_once() {
        let value = |present: Option<&str>| preload_value(Path::new("/l/s.so"), present.map(OsStr::new));
        assert_eq!(value(None), "/l/s.so");
        assert_eq!(value(Some("")), "/l/s.so");
        assert_eq!(value(Some("/a.so /b.so:/c.so")), "/l/s.so:/a.so:/b.so:/c.so");
        assert_eq!(value(Some("/a.so:/l/s.so")), "/l/s.so:/a.so");
    }

    #[test]
    fn a_path_that_ld_preload_would_split_is_refused() {
        assert!(expressible("/a b/libsockhop.so".into()).is_err());
        assert!(expressible("/a:b/libsockhop.so".into()).is_err());
        assert!(expressible("/ab/libsockhop.so".into()).is_ok());
    }
}
