//! Before main and after it.

use core::ffi::CStr;
use std::ffi::CString;
use std::io::{self, Write};

use stack::offspring::environment;
use stack::{config, descriptors, kernel, network, process, signal};

/// Runs when the library is loaded. Nothing is opened unless the process inherited sockets.
#[ctor::ctor(unsafe)]
fn start() {
    process::start();
    #[cfg(target_arch = "x86_64")]
    crate::vfork::start();
    signal::init();
    stack::stop::start();
    environment::remember(&own_path());
    start_log();
    descriptors::inherit();
    crate::cookies::start();
    // SAFETY: both functions only touch this process' own state.
    unsafe {
        libc::pthread_atfork(Some(before_fork), Some(after_fork_parent), Some(after_fork_child));
        libc::atexit(at_exit);
        at_quick_exit(leave);
    }
}

/// What AddressSanitizer's runtime asks for its settings before anything else runs; a program that answers itself goes before.
/// It refuses to start behind a preloaded library, for fear of functions that are called before it is ready; this one's
/// only pass the call on then.
#[no_mangle]
pub extern "C" fn __asan_default_options() -> *const libc::c_char {
    c"verify_asan_link_order=0".as_ptr()
}

extern "C" {
    fn at_quick_exit(function: extern "C" fn()) -> libc::c_int;
}

/// The file that the loader took this library from.
pub fn own_path() -> CString {
    // SAFETY: all-zero is a valid Dl_info.
    let mut found: libc::Dl_info = unsafe { core::mem::zeroed() };
    // SAFETY: an address inside this library and a struct to fill in.
    let known = unsafe { libc::dladdr(at_exit as *const libc::c_void, &mut found) } != 0 && !found.dli_fname.is_null();
    if known {
        // SAFETY: dladdr gives a C string that lives as long as the library is loaded.
        unsafe { CStr::from_ptr(found.dli_fname) }.to_owned()
    } else {
        CString::default()
    }
}

extern "C" fn before_fork() {
    stack::readiness::share_all();
    descriptors::before_fork();
}

extern "C" fn after_fork_parent() {
    descriptors::after_fork(false);
}

extern "C" fn after_fork_child() {
    descriptors::after_fork(true);
}

extern "C" fn at_exit() {
    crate::cookies::flush();
    leave();
}

extern "C" fn leave() {
    descriptors::leave();
    network::tidy();
}

/// SOCKHOP_LOG in env_logger's syntax, to stderr or to SOCKHOP_LOG_FILE by a descriptor of our own.
fn start_log() {
    let _ = config::get();
    let Ok(filter) = std::env::var("SOCKHOP_LOG") else { return };
    let file = std::env::var("SOCKHOP_LOG_FILE").ok().and_then(|path| {
        let path = std::ffi::CString::new(path).ok()?;
        let fd = kernel::open(&path, libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND, 0o600).ok()?;
        stack::readiness::internal::keep(fd).ok()
    });
    let sink = Sink(file.unwrap_or(2));
    let _ = env_logger::Builder::new()
        .parse_filters(&filter)
        .target(env_logger::Target::Pipe(Box::new(sink)))
        .format(|out, record| {
            writeln!(out, "sockhop[{}] {} {}: {}", kernel::pid(), record.level(), record.target(), record.args())
        })
        .try_init();
}

/// Writes by raw system calls, so that a log line never comes back in through the hooks.
struct Sink(i32);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        kernel::write(self.0, bytes).map_err(|e| io::Error::from_raw_os_error(e.raw()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
