//! Processes: fork and clone, exec in all its forms, the children that libc makes by itself, and the end.

use core::ffi::CStr;

use libc::{c_char, c_int, c_uint, c_void, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t, FILE};
use stack::offspring::image::{self, Target};
use stack::offspring::spawn::{self, Action, Child};
use stack::offspring::{self, environment, exec};
use stack::shm::views::UserPtr;
use stack::{network, process, readiness};

type Strings = *const *const c_char;

extern "C" {
    static environ: Strings;
}

/// A path of the program; null, for which the kernel has EFAULT, becomes an empty one.
unsafe fn path<'a>(p: *const c_char) -> &'a CStr {
    if p.is_null() {
        c""
    } else {
        CStr::from_ptr(p)
    }
}

hook! {
    unsafe fn fork() -> pid_t => our_fork {
        let child = real!(fork)();
        // The handlers of pthread_atfork have run, also those of a parent that got no child.
        if child < 0 { offspring::not_forked(); }
        child
    }
}
signature!(fork, our_fork, fn() -> pid_t);
alias!(__fork => our_uu_fork is our_fork() -> pid_t);

hook! {
    unsafe fn _Fork() -> pid_t => our_underscore_fork {
        offspring::copying(false, || i64::from(real!(_Fork)())) as pid_t
    }
}

/// What a child made by clone(2) runs first, on its copy of the memory.
struct Start {
    main: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
}

extern "C" fn started(start: *mut c_void) -> c_int {
    offspring::after_fork(true);
    // SAFETY: the caller of clone(2) waits in `our_clone` in its own memory, of which this is the copy.
    let start = unsafe { &*start.cast::<Start>() };
    (start.main)(start.argument)
}

hook! {
    // The last three are variadic in C, which passes pointers the same way.
    unsafe fn clone(
        main: Option<extern "C" fn(*mut c_void) -> c_int>, stack: *mut c_void, flags: c_int, argument: *mut c_void,
        parent_tid: *mut pid_t, tls: *mut c_void, child_tid: *mut pid_t
    ) -> c_int => our_clone {
        let memory = flags & libc::CLONE_VM != 0;
        let files = flags & libc::CLONE_FILES != 0;
        let Some(first) = main.filter(|_| !memory && !stack.is_null()) else {
            if memory && files && flags & libc::CLONE_THREAD == 0 { process::kindred(); }
            if memory && flags & libc::CLONE_THREAD == 0 { process::lend(); }
            return real!(clone)(main, stack, flags, argument, parent_tid, tls, child_tid);
        };
        readiness::share_all();
        let mut start = Start { main: first, argument };
        offspring::copying(files, || {
            let start = (&raw mut start).cast();
            i64::from(real!(clone)(Some(started), stack, flags, start, parent_tid, tls, child_tid))
        }) as c_int
    }
}

hook! {
    unsafe fn daemon(nochdir: c_int, noclose: c_int) -> c_int => our_daemon {
        // libc's own would end the parent without its descriptors being counted, and replace 0, 1 and 2 unseen.
        match our_fork() {
            -1 => return -1,
            0 => {}
            _ => our_exit(0),
        }
        if libc::setsid() == -1 { return -1; }
        if nochdir == 0 { let _ = libc::chdir(c"/".as_ptr()); }
        if noclose == 0 {
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            if null < 0 { return -1; }
            for fd in 0..3 { crate::descriptors::our_dup2(null, fd); }
            if null > 2 { libc::close(null); }
        }
        0
    }
}
signature!(daemon, our_daemon, fn(c_int, c_int) -> c_int);

// ---- exec ----

/// Can the file's name and the lists be read, as far as they are looked at here? What the kernel calls EFAULT is left to it.
fn readable(file: *const c_char, lists: [Strings; 2]) -> bool {
    let begins = |at: usize| UserPtr(at).read(&mut [0]).is_ok();
    let whole = |list: Strings| {
        let words = (0..).map(|i| UserPtr(list as usize + i * size_of::<usize>()).read_u64());
        let last = words.take_while(|word| word.is_ok_and(|at| at != 0 && begins(at as usize))).count();
        list.is_null() || UserPtr(list as usize + last * size_of::<usize>()).read_u64() == Ok(0)
    };
    (file.is_null() || begins(file as usize)) && lists.into_iter().all(whole)
}

hook! {
    unsafe fn execve(file: *const c_char, arguments: Strings, variables: Strings) -> c_int => our_execve {
        if !readable(file, [arguments, variables]) {
            return real!(execve)(file, arguments, variables);
        }
        exec::replace(Target::Path(path(file)), variables, |e| real!(execve)(file, arguments, e))
    }
}
signature!(execve, our_execve, fn(*const c_char, Strings, Strings) -> c_int);

hook! {
    unsafe fn execv(file: *const c_char, arguments: Strings) -> c_int => our_execv {
        our_execve(file, arguments, environ)
    }
}
signature!(execv, our_execv, fn(*const c_char, Strings) -> c_int);

hook! {
    unsafe fn execvpe(file: *const c_char, arguments: Strings, variables: Strings) -> c_int => our_execvpe {
        exec::replace(Target::Named(path(file)), variables, |e| real!(execvpe)(file, arguments, e))
    }
}
signature!(execvpe, our_execvpe, fn(*const c_char, Strings, Strings) -> c_int);

hook! {
    unsafe fn execvp(file: *const c_char, arguments: Strings) -> c_int => our_execvp {
        our_execvpe(file, arguments, environ)
    }
}
signature!(execvp, our_execvp, fn(*const c_char, Strings) -> c_int);

hook! {
    unsafe fn fexecve(fd: c_int, arguments: Strings, variables: Strings) -> c_int => our_fexecve {
        exec::replace(Target::At(fd, c""), variables, |e| real!(fexecve)(fd, arguments, e))
    }
}
signature!(fexecve, our_fexecve, fn(c_int, Strings, Strings) -> c_int);

hook! {
    unsafe fn execveat(
        directory: c_int, file: *const c_char, arguments: Strings, variables: Strings, flags: c_int
    ) -> c_int => our_execveat {
        if !readable(file, [arguments, variables]) {
            return real!(execveat)(directory, file, arguments, variables, flags);
        }
        let target = Target::At(directory, path(file));
        exec::replace(target, variables, |e| real!(execveat)(directory, file, arguments, e, flags))
    }
}

/// The variadic ones get here with all their words in a row: the file, then the arguments up to a null pointer.
unsafe extern "C" fn execl_row(row: *const *const c_char) -> c_int {
    our_execve(*row, row.add(1), environ)
}

unsafe extern "C" fn execlp_row(row: *const *const c_char) -> c_int {
    our_execvpe(*row, row.add(1), environ)
}

unsafe extern "C" fn execle_row(row: *const *const c_char) -> c_int {
    let mut end = row.add(1);
    while !(*end).is_null() {
        end = end.add(1);
    }
    // The environment comes after the null pointer.
    our_execve(*row, row.add(1), (*end.add(1)).cast())
}

/// A variadic symbol: puts the words that came in registers below those on the stack, so that they are one row.
macro_rules! variadic {
    ($symbol:ident => $row:ident) => {
        #[unsafe(naked)]
        #[no_mangle]
        unsafe extern "C" fn $symbol() {
            #[cfg(target_arch = "x86_64")]
            core::arch::naked_asm!(
                "endbr64",
                "pop r10",
                "push r9",
                "push r8",
                "push rcx",
                "push rdx",
                "push rsi",
                "push rdi",
                "mov rdi, rsp",
                // Twice, for the alignment of the call.
                "push r10",
                "push r10",
                "call {row}",
                "pop r10",
                "add rsp, 56",
                "push r10",
                "ret",
                row = sym $row,
            );
            #[cfg(target_arch = "aarch64")]
            core::arch::naked_asm!(
                "sub sp, sp, #64",
                "stp x0, x1, [sp]",
                "stp x2, x3, [sp, #16]",
                "stp x4, x5, [sp, #32]",
                "stp x6, x7, [sp, #48]",
                "mov x0, sp",
                "stp x29, x30, [sp, #-16]!",
                "bl {row}",
                "ldp x29, x30, [sp], #16",
                "add sp, sp, #64",
                "ret",
                row = sym $row,
            );
        }
    };
}
variadic!(execl => execl_row);
variadic!(execlp => execlp_row);
variadic!(execle => execle_row);

// ---- children that libc makes ----

/// struct __spawn_action of glibc: a tag, then what it needs.
#[repr(C)]
struct Step {
    tag: c_int,
    _pad: c_int,
    /// The descriptor, or the first of two.
    fd: c_int,
    second: c_int,
    _rest: [u64; 2],
}

/// The beginning of posix_spawn_file_actions_t in glibc.
#[repr(C)]
struct Steps {
    _allocated: c_int,
    used: c_int,
    steps: *const Step,
}

/// The steps that concern descriptors. Those of unknown kinds (chdir, tcsetpgrp, …) do not.
unsafe fn actions(of: *const posix_spawn_file_actions_t) -> Vec<Action> {
    if of.is_null() {
        return Vec::new();
    }
    let list = &*of.cast::<Steps>();
    if list.steps.is_null() || list.used <= 0 {
        return Vec::new();
    }
    let steps = core::slice::from_raw_parts(list.steps, list.used as usize);
    let action = |s: &Step| match s.tag {
        0 | 2 => Some(Action::Gone(s.fd)),
        1 => Some(Action::Dup(s.fd, s.second)),
        5 => Some(Action::From(s.fd)),
        _ => None,
    };
    steps.iter().filter_map(action).collect()
}

type Spawn = unsafe extern "C-unwind" fn(
    *mut pid_t,
    *const c_char,
    *const posix_spawn_file_actions_t,
    *const posix_spawnattr_t,
    Strings,
    Strings,
) -> c_int;

// posix_spawn's own arguments, and what tells its two forms apart.
#[allow(clippy::too_many_arguments)]
unsafe fn spawned(
    real: Spawn,
    pid: *mut pid_t,
    file: *const c_char,
    given: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: Strings,
    variables: Strings,
    target: Target<'_>,
) -> c_int {
    image::warn_of(target);
    environment::handed_on(variables, |variables| {
        if !spawn::concerns() {
            return real(pid, file, given, attributes, arguments, variables);
        }
        let child = Child::expect(&actions(given), target);
        let answered = if child.first.is_empty() {
            real(pid, file, given, attributes, arguments, variables)
        } else {
            with_streams(given, &child, |given| real(pid, file, given, attributes, arguments, variables))
        };
        child.made(answered == 0);
        answered
    })
}

/// The program's file actions, with those around them that put streams in the place of connections.
unsafe fn with_streams(
    given: *const posix_spawn_file_actions_t,
    child: &Child,
    act: impl FnOnce(*const posix_spawn_file_actions_t) -> c_int,
) -> c_int {
    let step = |tag, fd, second| Step { tag, _pad: 0, fd, second, _rest: [0; 2] };
    let mut steps: Vec<Step> = child.first.iter().map(|(from, to)| step(1, *from, *to)).collect();
    if !given.is_null() && (*given.cast::<Steps>()).used > 0 {
        let old = &*given.cast::<Steps>();
        steps.extend((0..old.used as usize).map(|i| old.steps.add(i).read()));
    }
    steps.extend(child.last.iter().map(|fd| step(0, *fd, 0)));
    let mut all: posix_spawn_file_actions_t = core::mem::zeroed();
    libc::posix_spawn_file_actions_init(&mut all);
    let list = (&raw mut all).cast::<Steps>();
    // Not destroyed by libc: the memory of the steps is ours.
    ((*list).used, (*list).steps) = (steps.len() as c_int, steps.as_ptr());
    act(&raw const all)
}

hook! {
    unsafe fn posix_spawn(
        pid: *mut pid_t, file: *const c_char, given: *const posix_spawn_file_actions_t,
        attributes: *const posix_spawnattr_t, arguments: Strings, variables: Strings
    ) -> c_int => our_posix_spawn {
        let target = Target::Path(path(file));
        spawned(real!(posix_spawn), pid, file, given, attributes, arguments, variables, target)
    }
}

hook! {
    unsafe fn posix_spawnp(
        pid: *mut pid_t, file: *const c_char, given: *const posix_spawn_file_actions_t,
        attributes: *const posix_spawnattr_t, arguments: Strings, variables: Strings
    ) -> c_int => our_posix_spawnp {
        let target = Target::Named(path(file));
        spawned(real!(posix_spawnp), pid, file, given, attributes, arguments, variables, target)
    }
}

hook! {
    unsafe fn system(command: *const c_char) -> c_int => our_system {
        if command.is_null() { return real!(system)(command); }
        environment::restore();
        let child = spawn::concerns().then(|| Child::expect(&[], Target::Path(c"/bin/sh")));
        let status = real!(system)(command);
        if let Some(child) = child { child.made(status != -1); }
        status
    }
}
signature!(system, our_system, fn(*const c_char) -> c_int);

hook! {
    unsafe fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE => our_popen {
        environment::restore();
        let child = spawn::concerns().then(|| Child::expect(&[], Target::Path(c"/bin/sh")));
        let stream = real!(popen)(command, mode);
        if let Some(child) = child { child.made(!stream.is_null()); }
        stream
    }
}
signature!(popen, our_popen, fn(*const c_char, *const c_char) -> *mut FILE);

hook! {
    unsafe fn pidfd_getfd(process: c_int, target: c_int, flags: c_uint) -> c_int => our_pidfd_getfd {
        let fd = real!(pidfd_getfd)(process, target, flags);
        if fd >= 0 { offspring::fetched(fd); }
        fd
    }
}

// ---- namespaces ----

hook! {
    unsafe fn unshare(flags: c_int) -> c_int => our_unshare {
        let done = real!(unshare)(flags);
        stack::kernel::network_namespace_changed();
        done
    }
}
signature!(unshare, our_unshare, fn(c_int) -> c_int);

hook! {
    unsafe fn setns(fd: c_int, kind: c_int) -> c_int => our_setns {
        let done = real!(setns)(fd, kind);
        stack::kernel::network_namespace_changed();
        done
    }
}
signature!(setns, our_setns, fn(c_int, c_int) -> c_int);

// ---- the end ----

hook! {
    unsafe fn _exit(status: c_int) => our_exit {
        offspring::leave_at_once();
        network::tidy();
        real!(_exit)(status)
    }
}

hook! {
    unsafe fn _Exit(status: c_int) => our_capital_exit {
        our_exit(status)
    }
}
