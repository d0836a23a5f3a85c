//! Thread cancellation (pthreads(7)), and calling a thread of this process out of its sleep.
//!
//! glibc keeps a request in the thread's own block and, unless the thread can be cut anywhere, tells nobody; its own calls
//! are cut by its signal 32. Ours are cut where nothing is held: [`test`] asks glibc, which ends the thread by
//! unwinding, and the hooks let that pass. A sleeper is called out by the same signal: an entry of ours stands before
//! glibc's handler, ends a sleep of ours and leaves everything else to glibc.

use super::entry::program_counter;
use super::sleep;
use super::table::{entry_cancel, kernel_action, restorer, Action, SA_RESTORER, SIG_IGN};
use super::thread::{thread, Info, Thread};
use crate::kernel::{self, sys};
use core::sync::atomic::{fence, AtomicU32, AtomicUsize, Ordering::*};
use libc::{c_int, pthread_t};

/// glibc's SIGCANCEL.
const SIGNAL: i32 = 32;
/// How `prepare` knows the entry.
pub(super) const ENTRY: usize = 2;

/// How often the program asked for a thread's end. Before the first time a test costs one load.
static REQUESTS: AtomicU32 = AtomicU32::new(0);
/// glibc's handler, 0 while it has none.
static BEYOND: AtomicUsize = AtomicUsize::new(0);

extern "C-unwind" {
    fn pthread_testcancel();
    fn pthread_cancel(thread: pthread_t) -> c_int;
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// A cancellation point: ends the thread if that was asked for and is enabled. Nothing may be held here that a handler
/// could need; what has a destructor is destroyed.
#[inline(always)]
pub fn test() {
    if REQUESTS.load(Relaxed) != 0 {
        test_now();
    }
}

/// Does what may wait but is no cancellation point.
pub fn without<T>(act: impl FnOnce() -> T) -> T {
    const DISABLE: c_int = 1;
    let mut before = 0;
    // SAFETY: the word is writable.
    unsafe { pthread_setcancelstate(DISABLE, &mut before) };
    let done = act();
    // SAFETY: what it was.
    unsafe { pthread_setcancelstate(before, &mut 0) };
    done
}

/// At the end of a critical section that was long: the end of a thread that can be cut anywhere, put off by it.
#[inline(always)]
pub fn test_put_off() {
    if REQUESTS.load(Relaxed) != 0 {
        let thread = thread();
        // SAFETY: this thread's own block.
        if unsafe { (&raw const (*thread).ending).read_volatile() } != 0 {
            test_now();
        }
    }
}

#[cold]
fn test_now() {
    let ending = {
        let thread = thread();
        // SAFETY: this thread's own block.
        unsafe { (&raw mut (*thread).ending).replace(0) }
    };
    if ending != 0 {
        // What glibc's handler would have done, had it been called: the request is noted, or acted on.
        // SAFETY: the thread itself. It may unwind, as below.
        unsafe { pthread_cancel(libc::pthread_self()) };
    }
    // SAFETY: no arguments. It may unwind, through frames that allow it.
    unsafe { pthread_testcancel() }
}

/// pthread_cancel(3): `ask` is the real one. A thread that sleeps in here is called out.
pub fn requested(thread: pthread_t, ask: impl FnOnce() -> c_int) -> c_int {
    REQUESTS.fetch_add(1, SeqCst);
    let done = ask();
    if done == 0 {
        // Either the sleeper, which shows itself before its last test, finds the request, or it is found here.
        fence(SeqCst);
        if let Some(tid) = tid_of(thread) {
            crate::sleepers::call_out(tid);
        }
    }
    done
}

/// The number of a thread: its CPU clock carries it (clock_getres(2), "CPU-time clocks").
fn tid_of(thread: pthread_t) -> Option<u32> {
    let mut clock = 0;
    // SAFETY: the program's own thread, which the real pthread_cancel accepted; the clock is writable.
    let found = unsafe { libc::pthread_getcpuclockid(thread, &mut clock) } == 0;
    found.then_some(!(clock >> 3) as u32)
}

/// Makes sure that the entry stands before glibc's handler.
fn arm() -> bool {
    let Ok(now) = kernel_action(SIGNAL, None) else { return false };
    if now.handler == entry_cancel() {
        return true;
    }
    if now.handler > SIG_IGN {
        BEYOND.store(now.handler, Release);
    }
    let flags = now.flags | (libc::SA_SIGINFO | libc::SA_RESTART) as u64 | SA_RESTORER;
    kernel_action(SIGNAL, Some(&Action { handler: entry_cancel(), flags, restorer: restorer(), mask: now.mask }))
        .is_ok()
}

/// Ends a sleep of a thread of this process, which is known to be in one and stays in it until this is done.
pub fn call_out(tid: u32) -> bool {
    let mut info: Info = [0; 16];
    info[0] = SIGNAL as u64;
    // si_code is the third int.
    info[1] = libc::SI_QUEUE as u32 as u64;
    // SAFETY: a whole siginfo_t.
    arm() && unsafe { sys!(rt_tgsigqueueinfo, kernel::pid(), tid, SIGNAL, info.as_ptr()) }.is_ok()
}

/// The entry was called: the address of the handler to go to, or 0.
pub(super) fn arrived(thread: *mut Thread, info: &Info, context: &mut libc::ucontext_t) -> usize {
    let ours = info[1] as u32 as i32 == libc::SI_QUEUE;
    // SAFETY: this thread's own block; the code that was interrupted finds it unchanged or with the mark.
    unsafe {
        if (&raw const (*thread).depth).read_volatile() != 0 {
            if !ours {
                (&raw mut (*thread).ending).write_volatile(1);
            }
            sleep::cut_short(program_counter(context));
            return 0;
        }
    }
    if ours {
        0
    } else {
        BEYOND.load(Acquire)
    }
}

/// Has the program's handlers run for what waits and `mask` lets through, as ppoll(2) does when it ends.
pub fn deliver(mask: &u64) {
    let _ = kernel::ppoll(&mut [], Some(0), Some(mask));
}
