//! Looking for a short while before sleeping.

use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::config;
use crate::kernel;
use crate::signal;

/// The longest spin, by what a halt and a wake-up cost (figures, round trip).
const LONG_SPIN_NS: u64 = 50_000;
/// What of a short sleep is the way back from it.
const WAKE_UP_NS: u64 = 50_000;
/// The spin of a waiter whose last waits were long.
const SHORT_SPIN_NS: u64 = 1_500;
/// A yield that took so long let others run for whole slices: the machine has more to do than it has cores, and who sleeps
/// runs before them when it is woken, where who yields waits for its turn behind all of them.
const CROWDED_NS: u64 = 1_000_000;
/// As much or more, by the processor's counter.
const CROWDED_TICKS: u64 = if cfg!(target_arch = "x86_64") { 1 << 22 } else { 1 << 17 };
/// For so many times as long as such a yield took nobody of this process yields again.
const CROWDED_REST: u64 = 30;
/// Looks without a pause: a pause takes 50 ns on some processors, which is a third of a trip between two cores.
const LOOKS: u32 = 64;
/// The same where a look is the shortest that there is.
const CLOSE_LOOKS: u32 = 256;
/// So many looks at least, over however many sockets: a set that gives up too early comes to sleep for each event.
const FEWEST: u32 = 30;
/// With pauses before the first sched_yield, by the processor's counter: about a microsecond. A pause takes from 10 to 50 ns
/// and cannot be counted.
const PAUSE_TICKS: u64 = if cfg!(target_arch = "x86_64") { 1 << 11 } else { 1 << 6 };
/// Where the one that is waited for runs on this core, pauses only hold it up: after this many waits in a row that the
/// first sched_yield ended, there are few of them.
const SAME_CORE: u32 = 8;
/// A look over more sockets than these takes longer than a pause.
const MANY: usize = 4;
/// One wait out of so many has all pauses again, to see whether that still is so.
const PROBE: u32 = 256;

/// Until when nobody of this process yields, by the monotonic clock in nanoseconds: the machine is crowded.
static CROWDED_UNTIL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// How well spinning did on this thread, 0 (never) to 16; the top half spins long.
    static CREDIT: Cell<u32> = const { Cell::new(8) };
    /// How long the last spin took that was in vain, in nanoseconds.
    static SPENT: Cell<u64> = const { Cell::new(0) };
    /// The last yield was a long one.
    static LONG_YIELD: Cell<bool> = const { Cell::new(false) };
    /// The call's short way has spun in vain, and its whole way need not do so again.
    static SPUN: Cell<bool> = const { Cell::new(false) };
}

/// Looks for a short while without sleeping: `pause` for a microsecond, then `sched_yield` between looks, which lets a
/// peer on the same core run (figures: `pause` alone loses everything there).
#[inline]
pub fn spin(ready: impl FnMut() -> bool) -> bool {
    spin_over(1, ready)
}

/// As [`spin`], where each look goes over so many sockets: fewer looks for as long.
#[inline]
pub fn spin_over(sockets: usize, ready: impl FnMut() -> bool) -> bool {
    spin_for(LOOKS, sockets, ready)
}

/// As [`spin_over`], with so many looks before the first pause.
#[inline]
fn spin_for(quick: u32, sockets: usize, mut ready: impl FnMut() -> bool) -> bool {
    let configured = config::get().spin_ns;
    if configured == Some(0) {
        return false;
    }
    let yields = signal::yields();
    let all = yields < SAME_CORE || yields & (PROBE - 1) == 0;
    let looks = if all { (quick / sockets.max(1) as u32).max(FEWEST) } else { 1 };
    if (0..looks).any(|_| ready()) || all && pausing(&mut ready) {
        if yields != 0 && all {
            signal::set_yields(0);
        }
        return true;
    }
    let credit = CREDIT.try_with(Cell::get).unwrap_or(0);
    if credit == 0 && configured.is_none() {
        return false;
    }
    if configured.is_none() && is_crowded() {
        return false;
    }
    if !all {
        // The one that is waited for most likely runs now; no clock is needed to see that.
        let before = kernel::ticks();
        kernel::yield_now();
        if kernel::ticks().wrapping_sub(before) >= CROWDED_TICKS {
            note_crowd(kernel::now_ns(), CROWDED_NS);
        }
        if ready() {
            signal::set_yields(yields.wrapping_add(1).max(1));
            return true;
        }
    }
    let budget = configured.unwrap_or(if credit >= 4 { LONG_SPIN_NS } else { SHORT_SPIN_NS });
    let between = if sockets > MANY { 1 } else { 8 };
    let start = kernel::now_ns();
    let mut first = all;
    let won = loop {
        kernel::yield_now();
        let at_once = ready();
        if core::mem::take(&mut first) {
            signal::set_yields(if at_once { yields.wrapping_add(1).max(1) } else { 0 });
        }
        let mut look = || {
            core::hint::spin_loop();
            ready()
        };
        if at_once || (0..between).any(|_| look()) {
            break true;
        }
        if signal::put_off() {
            // Its handler waits for the end of the call.
            return false;
        }
        if kernel::now_ns() - start >= budget {
            break false;
        }
    };
    let end = kernel::now_ns();
    let took = end - start;
    if took >= CROWDED_NS {
        note_crowd(end, took);
    } else {
        let _ = LONG_YIELD.try_with(|l| l.set(false));
    }
    if won {
        // A yield that let others run for long was no short wait: sleeping comes back sooner.
        let fast = took < 2 * LONG_SPIN_NS;
        let _ = CREDIT.try_with(|c| c.set(if fast { (credit + 2).min(16) } else { credit.saturating_sub(1) }));
    } else {
        // The sleep that follows tells whether that was too long or not long enough.
        let _ = SPENT.try_with(|s| s.set(took));
    }
    if !all {
        signal::set_yields(0);
    }
    won
}

/// A yield that ended `now` let others run for `took`. One alone may have been the machine's own pause.
#[cold]
fn note_crowd(now: u64, took: u64) {
    if LONG_YIELD.try_with(|l| l.replace(true)).unwrap_or(false) {
        CROWDED_UNTIL.store(now + took.saturating_mul(CROWDED_REST), Relaxed);
    }
}

/// Did a yield let others run for whole slices not long ago?
#[inline]
fn is_crowded() -> bool {
    let until = CROWDED_UNTIL.load(Relaxed);
    until != 0 && kernel::now_ns() < until
}

/// Looks with a pause after each for about a microsecond.
fn pausing(ready: &mut impl FnMut() -> bool) -> bool {
    let start = kernel::ticks();
    loop {
        core::hint::spin_loop();
        if ready() {
            return true;
        }
        if kernel::ticks().wrapping_sub(start) >= PAUSE_TICKS {
            return false;
        }
    }
}

/// As [`spin`], for the short way of a call that comes to [`super::until`] when this was in vain.
pub fn spin_first(ready: impl FnMut() -> bool) -> bool {
    note_vain(spin(ready))
}

/// As [`spin_first`], for looks that are over in a nanosecond or two: many of them come before the first pause.
pub fn spin_first_closely(ready: impl FnMut() -> bool) -> bool {
    note_vain(spin_for(CLOSE_LOOKS, 1, ready))
}

/// Has the call's whole way know that its short way has spun in vain.
fn note_vain(come: bool) -> bool {
    if !come {
        let _ = SPUN.try_with(|s| s.set(true));
    }
    come
}

/// Has this call spun already? Asked once.
pub fn has_spun() -> bool {
    SPUN.try_with(|s| s.replace(false)).unwrap_or(false)
}

/// Does it matter how long sleeps last? Not where the user said how long to spin.
pub(super) fn learns() -> bool {
    config::get().spin_ns.is_none()
}

/// Tells [`spin`] how long the sleep lasted that came after it: a short one would have been worth a longer spin.
pub fn learn(slept_ns: u64) {
    let waited = slept_ns + SPENT.try_with(Cell::take).unwrap_or(0);
    let short = waited < LONG_SPIN_NS + WAKE_UP_NS;
    let _ = CREDIT.try_with(|c| c.set(if short { (c.get() + 1).min(16) } else { c.get().saturating_sub(1) }));
}
