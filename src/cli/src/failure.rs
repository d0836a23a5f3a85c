//! How the command fails: one line on stderr and an exit status.

use std::fmt;

/// A reason to stop, told to the user as `sockhop: <text>`.
#[derive(Debug)]
pub struct Failure {
    pub status: i32,
    text: String,
}

/// Our own refusals.
pub const REFUSED: i32 = 1;
/// The program is there and cannot be run (the shell's convention, POSIX XCU 2.8.2).
pub const NOT_EXECUTABLE: i32 = 126;
/// The program is not there (the same).
pub const NOT_FOUND: i32 = 127;

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self::with_status(REFUSED, text)
    }

    pub fn with_status(status: i32, text: impl Into<String>) -> Self {
        // One failure is one line, also where a file name carries a newline.
        let text = text.into().replace('\n', "\\n");
        Self { status, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the system said, without Rust's "(os error 13)".
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}
