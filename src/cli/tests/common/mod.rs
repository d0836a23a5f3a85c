//! A place of its own for each test: a base directory, and a library that says when it was loaded.
//!
//! The command only hands the library on, so its tests use a stand-in that is three lines of C; what the real one
//! does is shown by the scripts.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let temp = tempfile::Builder::new().prefix("sockhop-test").tempdir().unwrap();
        let place = Self { temp };
        let source = place.file(
            "library.c",
            "#include <stdlib.h>\n#include <unistd.h>\n\
             __attribute__((constructor)) static void loaded(void) {\n\
                 if (getenv(\"STAND_IN_SAYS\")) (void)!write(2, \"loaded\\n\", 7);\n\
             }\n",
            0o644,
        );
        place.gcc(&["-shared", "-fPIC"], &source, "libsockhop.so");
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub fn base(&self) -> PathBuf {
        self.path("base")
    }

    pub fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    pub fn gcc(&self, options: &[&str], source: &Path, name: &str) -> PathBuf {
        let out = self.path(name);
        let status = Command::new("gcc").args(options).arg("-o").arg(&out).arg(source).status();
        assert!(status.expect("these tests need gcc").success());
        out
    }

    /// The command with nothing in its environment but what is named here.
    pub fn sockhop<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockhop"));
        command.args(args).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("SOCKHOP_DIR", self.base()).env("SOCKHOP_LIB", self.path("libsockhop.so"));
        command
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line that a refusal consists of.
pub fn refusal(output: &Output, status: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(output.stdout.is_empty(), "the program ran: {}", stdout(output));
    assert!(text.starts_with("sockhop: ") && text.lines().count() == 1, "{text:?}");
    text
}

/// Waits until something becomes true, five seconds at most.
pub fn soon(what: &str, mut check: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !check() {
        assert!(Instant::now() < end, "not within five seconds: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
