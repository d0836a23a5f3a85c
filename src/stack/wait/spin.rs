//! Looking for a short while before sleeping.

use core::cell::Cell;

use crate::config;
use crate::kernel;
use crate::signal;

/// The longest spin, by what a halt and a wake-up cost (figures, round trip).
const LONG_SPIN_NS: u64 = 50_000;
/// The spin of a waiter whose last waits were long.
const SHORT_SPIN_NS: u64 = 1_500;
/// Pauses before the first sched_yield: about a microsecond.
const PAUSES: u32 = 30;
/// Where the one that is waited for runs on this core, pauses only hold it up: after this many waits in a row that the
/// first sched_yield ended, there are few of them.
const SAME_CORE: u32 = 8;
/// One wait out of so many has all pauses again, to see whether that still is so.
const PROBE: u32 = 64;

thread_local! {
    /// How well spinning did on this thread, 0 (never) to 16; the top half spins long.
    static CREDIT: Cell<u32> = const { Cell::new(8) };
    /// Waits in a row that ended with the first sched_yield.
    static YIELDS: Cell<u32> = const { Cell::new(0) };
}

/// Looks for a short while without sleeping: `pause` for a microsecond, then `sched_yield` between looks, which lets a
/// peer on the same core run (figures: `pause` alone loses everything there).
#[inline]
pub fn spin(mut ready: impl FnMut() -> bool) -> bool {
    let configured = config::get().spin_ns;
    if configured == Some(0) {
        return false;
    }
    let yields = YIELDS.try_with(Cell::get).unwrap_or(0);
    let pauses = if yields < SAME_CORE || yields & (PROBE - 1) == 0 { PAUSES } else { 1 };
    for _ in 0..pauses {
        if ready() {
            if yields != 0 && pauses == PAUSES {
                let _ = YIELDS.try_with(|y| y.set(0));
            }
            return true;
        }
        core::hint::spin_loop();
    }
    let credit = CREDIT.try_with(Cell::get).unwrap_or(0);
    if credit == 0 && configured.is_none() {
        return false;
    }
    let budget = configured.unwrap_or(if credit >= 4 { LONG_SPIN_NS } else { SHORT_SPIN_NS });
    let start = kernel::now_ns();
    let mut first = true;
    let won = loop {
        kernel::yield_now();
        if core::mem::take(&mut first) {
            let at_once = ready();
            let _ = YIELDS.try_with(|y| y.set(if at_once { yields.wrapping_add(1).max(1) } else { 0 }));
        }
        for _ in 0..8 {
            if ready() {
                break;
            }
            core::hint::spin_loop();
        }
        if ready() {
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
    // A yield that let others run for long was no short wait: sleeping comes back sooner.
    let won_fast = won && kernel::now_ns() - start < 2 * LONG_SPIN_NS;
    let _ = CREDIT.try_with(|c| c.set(if won_fast { (credit + 2).min(16) } else { credit.saturating_sub(1) }));
    won
}

/// Tells [`spin`] how long a sleep lasted: a short one would have been worth a longer spin.
pub(super) fn learn(slept_ns: u64) {
    if slept_ns < LONG_SPIN_NS {
        let _ = CREDIT.try_with(|c| c.set((c.get() + 1).min(16)));
    }
}
