//! dlopen(3) and dlsym(3): two ways to libc's functions that lead past a preloaded library.
//!
//! A module that is loaded with RTLD_DEEPBIND (PHP's extensions, APR's modules) gets its symbols from its own dependencies
//! first, so from libc; after it is loaded, what it got in the place of a hook is exchanged (see [`crate::relink`]). A symbol that
//! is asked for in a handle of libc (Python's `ctypes.CDLL("libc.so.6")`) is answered with the hook.
//!
//! Both functions work by who calls them (the caller's search path, the next in its order), so nothing of ours may
//! stand between, unless the caller makes no difference: then the hooks jump on.

use core::ffi::{c_char, c_int, c_void, CStr};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::relink;

static REAL_DLOPEN: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
static REAL_DLSYM: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

type Dlopen = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

/// The body of a hook that jumps on to the real function, whose caller is then the program, unless the first lines lead elsewhere.
macro_rules! unless {
    ($($test:literal),*; $($operand:tt)*) => {
        core::arch::naked_asm!(
            "endbr64",
            $($test,)*
            "mov rax, qword ptr [rip + {real}]",
            "test rax, rax",
            "jne 2f",
            "push rdi",
            "push rsi",
            "sub rsp, 8",
            "call {find}",
            "add rsp, 8",
            "pop rsi",
            "pop rdi",
            "2:",
            "jmp rax",
            $($operand)*
        )
    };
}

/// dlopen(3): with RTLD_DEEPBIND to [`bind_deeply`], else on.
///
/// # Safety
/// That of dlopen(3).
#[unsafe(naked)]
#[no_mangle]
pub unsafe extern "C" fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void {
    unless!(
        "test esi, {deep}",
        "jne {bind_deeply}";
        deep = const libc::RTLD_DEEPBIND,
        bind_deeply = sym bind_deeply,
        real = sym REAL_DLOPEN,
        find = sym find_dlopen,
    )
}

/// dlsym(3): for RTLD_DEFAULT (0) and RTLD_NEXT (-1), which ask in the caller's order, on; else to [`look_up`].
///
/// # Safety
/// That of dlsym(3).
#[unsafe(naked)]
#[no_mangle]
pub unsafe extern "C" fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    unless!(
        "lea rax, [rdi + 1]",
        "cmp rax, 1",
        "ja {look_up}";
        look_up = sym look_up,
        real = sym REAL_DLSYM,
        find = sym find_dlsym,
    )
}

unsafe extern "C" fn find_dlopen() -> *mut c_void {
    find(&REAL_DLOPEN, c"dlopen")
}

unsafe extern "C" fn find_dlsym() -> *mut c_void {
    find(&REAL_DLSYM, c"dlsym")
}

/// dlsym itself cannot be asked for by dlsym; each version of the two that glibc has does the same.
unsafe fn find(place: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let found = libc::dlvsym(libc::RTLD_NEXT, name.as_ptr(), c"GLIBC_2.2.5".as_ptr());
    place.store(found, Relaxed);
    found
}

unsafe extern "C" fn bind_deeply(file: *const c_char, flags: c_int) -> *mut c_void {
    let before = relink::loaded();
    let real: Dlopen = core::mem::transmute(find_dlopen());
    let handle = real(file, flags);
    if !handle.is_null() {
        for module in relink::loaded().iter().filter(|module| !before.contains(module)) {
            relink::exchange(module, |name| instead(real_dlsym()(handle, name.as_ptr()), name));
        }
    }
    handle
}

unsafe extern "C" fn look_up(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    let found = real_dlsym()(handle, name);
    if found.is_null() {
        return found;
    }
    instead(found, CStr::from_ptr(name)).unwrap_or(found)
}

unsafe fn real_dlsym() -> Dlsym {
    let known = REAL_DLSYM.load(Relaxed);
    core::mem::transmute(if known.is_null() { find_dlsym() } else { known })
}

/// The hook of that name, if `found` is the very function that it took the place of.
unsafe fn instead(found: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    if found.is_null() {
        return None;
    }
    // This library comes first in its own order, and then what it needs, such as libc.
    let hook = real_dlsym()(ourselves(), name.as_ptr());
    (!hook.is_null() && hook != found && libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) == found).then_some(hook)
}

/// A handle of this library.
unsafe fn ourselves() -> *mut c_void {
    static HANDLE: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
    let known = HANDLE.load(Relaxed);
    if !known.is_null() {
        return known;
    }
    let real: Dlopen = core::mem::transmute(find_dlopen());
    let handle = real(crate::start::own_path().as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
    HANDLE.store(handle, Relaxed);
    handle
}
