//! Looking for a short while before sleeping.

use core::cell::Cell;

use crate::config;
use crate::kernel;

/// The longest spin, by what a halt and a wake-up cost (figures, round trip).
const LONG_SPIN_NS: u64 = 50_000;
/// The spin of a waiter whose last waits were long.
const SHORT_SPIN_NS: u64 = 1_500;
/// Pauses before the first sched_yield: about a microsecond.
const PAUSES: u32 = 30;

thread_local! {
    /// How well spinning did on this thread, 0 (never) to 16; the top half spins long.
    static CREDIT: Cell<u32> = const { Cell::new(8) };
}

/// Looks for a short while without sleeping: `pause` for a microsecond, then `sched_yield` between looks, which lets a
/// peer on the same core run (figures: `pause` alone loses everything there).
#[inline]
pub fn spin(mut ready: impl FnMut() -> bool) -> bool {
    let configured = config::get().spin_ns;
    if configured == Some(0) {
        return false;
    }
    for _ in 0..PAUSES {
        if ready() {
            return true;
        }
        core::hint::spin_loop();
    }
    let credit = CREDIT.try_with(Cell::get).unwrap_or(0);
    let budget = configured.unwrap_or(if credit >= 4 { LONG_SPIN_NS } else { SHORT_SPIN_NS });
    let start = kernel::now_ns();
    let won = loop {
        kernel::yield_now();
        for _ in 0..8 {
            if ready() {
                break;
            }
            core::hint::spin_loop();
        }
        if ready() {
            break true;
        }
        if kernel::now_ns() - start >= budget {
            break false;
        }
    };
    let _ = CREDIT.try_with(|c| c.set(if won { (credit + 2).min(16) } else { credit.saturating_sub(1) }));
    won
}

/// Tells [`spin`] how long a sleep lasted: a short one would have been worth a longer spin.
pub(super) fn learn(slept_ns: u64) {
    if slept_ns < LONG_SPIN_NS {
        let _ = CREDIT.try_with(|c| c.set((c.get() + 1).min(16)));
    }
}
