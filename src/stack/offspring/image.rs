//! Can a file that is about to be executed be preloaded? Read from its headers, as the kernel and the loader will.

use core::ffi::CStr;

use crate::abi::Result;
use crate::kernel;

/// How deep the kernel follows scripts whose interpreter is a script again (fs/exec.c).
const DEEPEST: u32 = 5;
/// How much of a `#!` line the kernel looks at (man 2 execve).
const LINE: usize = 255;
const PT_INTERP: u32 = 3;

/// What is executed.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// A path.
    Path(&'a CStr),
    /// A name to look for in PATH, or a path if it has a slash.
    Named(&'a CStr),
    /// execveat(2): a path from a directory, or the descriptor itself if the path is empty.
    At(i32, &'a CStr),
}

/// Will the loader put the library into this program? What cannot be found out is taken for yes.
pub fn can_be_preloaded(target: Target<'_>) -> bool {
    let opened = match target {
        Target::Path(path) => kernel::open(path, libc::O_RDONLY, 0),
        Target::Named(name) if name.to_bytes().contains(&b'/') => kernel::open(name, libc::O_RDONLY, 0),
        Target::Named(name) => search(name),
        Target::At(directory, path) if path.is_empty() => reopen(directory),
        Target::At(directory, path) => kernel::open_at(directory, path, libc::O_RDONLY),
    };
    opened.map_or(true, |fd| examine_and_close(fd, 0))
}

/// Tells the log of a program that is about to be started past the library: its own sockets will be the kernel's.
pub fn warn_of(target: Target<'_>) {
    if log::log_enabled!(log::Level::Warn) && !can_be_preloaded(target) {
        let name = match target {
            Target::Path(name) | Target::Named(name) | Target::At(_, name) => name.to_string_lossy(),
        };
        log::warn!("{name} is static, gains rights, or is for another loader: nothing is preloaded, its sockets are the kernel's");
    }
}

/// A descriptor may have been opened with O_PATH only.
fn reopen(fd: i32) -> Result<i32> {
    let mut path = Text::new();
    path.add(b"/proc/self/fd/");
    path.number(fd as u32);
    kernel::open(path.as_c(), libc::O_RDONLY, 0)
}

/// The file that execvp(3) would take.
fn search(name: &CStr) -> Result<i32> {
    #[allow(unsafe_code)]
    // SAFETY: getenv gives a C string or null, which nobody changes while the program is in exec.
    let places = unsafe {
        let value = libc::getenv(c"PATH".as_ptr());
        if value.is_null() {
            c"/bin:/usr/bin"
        } else {
            CStr::from_ptr(value)
        }
    };
    for place in places.to_bytes().split(|b| *b == b':') {
        let mut path = Text::new();
        path.add(if place.is_empty() { b"." } else { place });
        path.add(b"/");
        path.add(name.to_bytes());
        if kernel::executable(path.as_c()) {
            return kernel::open(path.as_c(), libc::O_RDONLY, 0);
        }
    }
    Err(crate::abi::Errno::ENOENT)
}

fn examine_and_close(fd: i32, depth: u32) -> bool {
    let answer = examine(fd, depth);
    let _ = kernel::close(fd);
    answer
}

fn examine(fd: i32, depth: u32) -> bool {
    let mut head = [0u8; LINE + 1];
    let Ok(n) = kernel::read_at(fd, &mut head, 0) else { return true };
    let head = &head[..n];
    if head.starts_with(b"#!") && depth < DEEPEST {
        let line = head[2..].split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii();
        let end = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
        let mut path = Text::new();
        path.add(&line[..end]);
        return kernel::open(path.as_c(), libc::O_RDONLY, 0).map_or(true, |fd| examine_and_close(fd, depth + 1));
    }
    if !head.starts_with(b"\x7fELF") || n < 64 {
        // What is no program the kernel refuses, or a shell runs it.
        return true;
    }
    // The loader ignores LD_PRELOAD where a program gains rights (man 8 ld.so, secure-execution mode).
    let gains = kernel::status(fd).is_ok_and(|st| {
        let user = st.mode & libc::S_ISUID != 0 && st.uid != kernel::euid();
        let group =
            st.mode & (libc::S_ISGID | libc::S_IXGRP) == libc::S_ISGID | libc::S_IXGRP && st.gid != kernel::egid();
        user || group
    });
    let is_64_bit = head[4] == 2;
    !gains && is_64_bit && has_our_loader(fd, head)
}

/// Does the program have an interpreter (PT_INTERP), and one that is glibc's?
fn has_our_loader(fd: i32, head: &[u8]) -> bool {
    let word = |bytes: &[u8], at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
    let (start, size) = (word(head, 32), u16::from_ne_bytes([head[54], head[55]]) as u64);
    let count = u16::from_ne_bytes([head[56], head[57]]) as u64;
    for i in 0..count.min(64) {
        let mut row = [0u8; 56];
        if size < 56 || kernel::read_at(fd, &mut row, start + i * size) != Ok(56) {
            return true;
        }
        if u32::from_ne_bytes([row[0], row[1], row[2], row[3]]) == PT_INTERP {
            let mut name = [0u8; 256];
            let n = kernel::read_at(fd, &mut name, word(&row, 8)).unwrap_or(0);
            return !name[..n].split(|b| *b == 0).next().unwrap_or_default().windows(4).any(|w| w == b"musl");
        }
    }
    false
}

/// A path that is put together on the stack: a vfork child should not allocate.
struct Text {
    bytes: [u8; 4096],
    length: usize,
}

impl Text {
    fn new() -> Text {
        Text { bytes: [0; 4096], length: 0 }
    }

    /// Appends, as far as there is room for a terminating zero.
    fn add(&mut self, part: &[u8]) {
        let n = part.len().min(self.bytes.len() - 1 - self.length);
        self.bytes[self.length..self.length + n].copy_from_slice(&part[..n]);
        self.length += n;
    }

    fn number(&mut self, value: u32) {
        let mut digits = [0u8; 10];
        let mut at = digits.len();
        let mut rest = value;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.add(&digits[at..]);
    }

    fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_the_system_can_be_preloaded() {
        assert!(can_be_preloaded(Target::Named(c"sh")));
        assert!(can_be_preloaded(Target::Path(c"/bin/sh")));
        assert!(can_be_preloaded(Target::Path(c"/nonexistent")));
    }

    #[test]
    fn a_program_without_an_interpreter_cannot() {
        let path = std::env::temp_dir().join(format!("sockhop-static-{}", std::process::id()));
        let mut bytes = vec![0u8; 64 + 56];
        bytes[..4].copy_from_slice(b"\x7fELF");
        bytes[4] = 2;
        bytes[32..40].copy_from_slice(&64u64.to_ne_bytes());
        bytes[54..56].copy_from_slice(&56u16.to_ne_bytes());
        bytes[56..58].copy_from_slice(&1u16.to_ne_bytes());
        bytes[64..68].copy_from_slice(&1u32.to_ne_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        assert!(!can_be_preloaded(Target::Path(&name)));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn numbers_are_written_in_full() {
        let mut text = Text::new();
        text.add(b"fd ");
        text.number(0);
        text.add(b" ");
        text.number(1048575);
        assert_eq!(text.as_c(), c"fd 0 1048575");
    }
}
