//! The variables that keep a program in the network also when its parent builds an environment of its own for it.

use core::ffi::{c_char, CStr};
use std::ffi::CString;
use std::sync::OnceLock;

/// The entries of an environment array that fit on the stack.
const SHORT: usize = 512;
/// The longest LD_PRELOAD that ours is put in front of.
const LONGEST: usize = 4096;
const PRELOAD: &[u8] = b"LD_PRELOAD=";

type Strings = *const *const c_char;

struct Kept {
    /// "NAME=value", as they were when this program started; those with two underscores
    /// mean one process alone.
    variables: Vec<CString>,
    /// How LD_PRELOAD names this library.
    library: Vec<u8>,
}

static KEPT: OnceLock<Kept> = OnceLock::new();

extern "C" {
    static environ: Strings;
}

/// At start: notes what has to be handed on. `library` is the path that the loader took the library from.
pub fn remember(library: &CStr) {
    let file = library.to_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
    let mut kept = Kept { variables: Vec::new(), library: Vec::new() };
    #[allow(unsafe_code)]
    // SAFETY: at start nobody changes the environment yet.
    for entry in unsafe { entries(environ) } {
        let entry = entry.to_bytes();
        if let Some(list) = entry.strip_prefix(PRELOAD) {
            // The loader separates by spaces and colons (man 8 ld.so).
            let is_ours = |name: &&[u8]| !file.is_empty() && name.rsplit(|b| *b == b'/').next() == Some(file);
            if let Some(ours) = list.split(|b| matches!(b, b':' | b' ')).find(is_ours) {
                kept.library = ours.to_vec();
                kept.variables.extend(CString::new([PRELOAD, ours].concat()));
            }
        } else if entry.starts_with(b"SOCKHOP__ARENA=")
            || entry.starts_with(b"SOCKHOP_") && !entry.starts_with(b"SOCKHOP__")
        {
            kept.variables.extend(CString::new(entry));
        }
    }
    let _ = KEPT.set(kept);
}

/// The strings of a null-terminated array; a null pointer is an empty one.
#[allow(unsafe_code)]
unsafe fn entries<'a>(strings: Strings) -> impl Iterator<Item = &'a CStr> {
    let mut at = strings;
    core::iter::from_fn(move || {
        if at.is_null() {
            return None;
        }
        // SAFETY: the caller's array ends with a null pointer, before which each is a C string.
        unsafe {
            let entry = *at;
            if entry.is_null() {
                return None;
            }
            at = at.add(1);
            Some(CStr::from_ptr(entry))
        }
    })
}

fn name_of(entry: &[u8]) -> &[u8] {
    entry.split(|b| *b == b'=').next().unwrap_or(entry)
}

impl Kept {
    /// Does this LD_PRELOAD list name the library?
    fn names_us(&self, list: &[u8]) -> bool {
        list.split(|b| matches!(b, b':' | b' ')).any(|name| name == self.library)
    }

    fn is_missing(&self, variable: &CStr, given: Strings) -> bool {
        let name = name_of(variable.to_bytes());
        #[allow(unsafe_code)]
        // SAFETY: the program's environment array.
        let mut given = unsafe { entries(given) };
        !given.any(|e| name_of(e.to_bytes()) == name)
    }
}

/// Runs `act` with an environment for a new program: the one given, and what has to be handed on. Does not allocate
/// unless the environment is very long, because a vfork child would leave that in its parent's memory.
///
/// # Safety
/// `given` is null or ends with a null pointer, and what it points to are C strings.
#[allow(unsafe_code)]
pub unsafe fn handed_on<T>(given: Strings, act: impl FnOnce(Strings) -> T) -> T {
    // SAFETY: the caller's promise.
    crate::network::rights::handing_on(|more| unsafe { merged(given, more, act) })
}

/// [`handed_on`], with one more variable.
#[allow(unsafe_code)]
unsafe fn merged<T>(given: Strings, more: Option<&CStr>, act: impl FnOnce(Strings) -> T) -> T {
    let Some(kept) = KEPT.get().filter(|k| crate::config::get().keep_env && !k.variables.is_empty()) else {
        return act(given);
    };
    let mut preload = [0u8; LONGEST];
    let mut count = 0;
    let mut replaced = usize::MAX;
    // SAFETY: the caller's promise.
    for (i, entry) in unsafe { entries(given) }.enumerate() {
        count += 1;
        let Some(list) = entry.to_bytes().strip_prefix(PRELOAD) else { continue };
        let length = PRELOAD.len() + kept.library.len() + 1 + list.len();
        if !kept.library.is_empty() && !kept.names_us(list) && length < LONGEST {
            let parts: [&[u8]; 4] = [PRELOAD, &kept.library, if list.is_empty() { b"" } else { b":" }, list];
            let mut at = 0;
            for part in parts {
                preload[at..at + part.len()].copy_from_slice(part);
                at += part.len();
            }
            replaced = i;
        }
    }
    let variables = kept.variables.iter().map(CString::as_c_str).chain(more);
    let missing = variables.filter(|v| kept.is_missing(v, given));
    if replaced == usize::MAX && missing.clone().next().is_none() {
        return act(given);
    }
    let mut short = [core::ptr::null(); SHORT];
    let mut long = Vec::new();
    let room = count + kept.variables.len() + 2;
    let merged = if room <= SHORT {
        &mut short[..]
    } else {
        long.resize(room, core::ptr::null());
        &mut long[..]
    };
    // SAFETY: the caller's promise.
    let given = unsafe { entries(given) };
    let old = given.enumerate().map(|(i, e)| if i == replaced { preload.as_ptr().cast() } else { e.as_ptr() });
    let new = missing.map(|v| v.as_ptr());
    merged.iter_mut().zip(old.chain(new)).for_each(|(place, entry)| *place = entry);
    act(merged.as_ptr())
}

/// Puts what is missing back into the program's own environment: system(3) and popen(3) hand that one on themselves.
pub fn restore() {
    let Some(kept) = KEPT.get().filter(|_| crate::config::get().keep_env) else { return };
    for variable in &kept.variables {
        #[allow(unsafe_code)]
        // SAFETY: setenv copies both strings; the variable has a name and a '='.
        unsafe {
            if kept.is_missing(variable, environ) {
                let bytes = variable.to_bytes();
                let name = name_of(bytes);
                if let Ok(c_name) = CString::new(name) {
                    libc::setenv(c_name.as_ptr(), variable.as_ptr().add(name.len() + 1), 0);
                }
            }
        }
    }
}
